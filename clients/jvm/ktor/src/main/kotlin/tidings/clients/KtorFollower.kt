package tidings.clients

import io.ktor.client.HttpClient
import io.ktor.client.engine.cio.CIO
import io.ktor.client.plugins.HttpTimeout
import io.ktor.client.plugins.sse.SSE
import io.ktor.client.plugins.sse.SSEClientException
import io.ktor.client.plugins.sse.sse
import io.ktor.client.request.bearerAuth
import io.ktor.client.request.header
import kotlin.random.Random
import kotlin.time.Duration
import kotlin.time.Duration.Companion.milliseconds
import kotlin.time.Duration.Companion.seconds
import kotlinx.coroutines.currentCoroutineContext
import kotlinx.coroutines.delay
import kotlinx.coroutines.ensureActive

/** A status that no retry changes. After 401, get a new token first. */
class Refused(val status: Int) : Exception("refused with $status")

private val FINAL = setOf(400, 401, 403, 404, 406)

/**
 * Follows a stream with Ktor's plugin for server-sent events, until it is cancelled or the server refuses for good.
 *
 * @param lastId where to begin: the id of the last event that was handled, or null
 * @param silence three heartbeat intervals: 75 s, unless HEARTBEAT_INTERVAL was changed
 * @param token asked before each connection, so that `expired` needs no code
 * @param handle gets id, name and data; keep the id together with what you did about the event
 */
suspend fun follow(
    url: String,
    lastId: String?,
    silence: Duration,
    token: suspend () -> String,
    handle: suspend (id: String?, name: String?, data: String) -> Unit,
) {
    val client = HttpClient(CIO) {
        install(SSE)
        install(HttpTimeout) { socketTimeoutMillis = silence.inWholeMilliseconds }
    }
    var last = lastId
    var retry = 3.seconds
    var failure: Exception? = null
    client.use {
        while (true) {
            val bearer = token()
            try {
                client.sse(urlString = url, request = {
                    bearerAuth(bearer)
                    last?.let { header("Last-Event-ID", it) }
                }) {
                    // The plugin does not come back by itself: `incoming` just ends when the connection breaks.
                    incoming.collect { event ->
                        event.retry?.let { retry = it.milliseconds }
                        try {
                            event.data?.let { handle(event.id, event.event, it) }
                        } catch (thrown: Exception) {
                            failure = thrown // the plugin would wrap it
                            throw thrown
                        }
                        event.id?.let { last = it }
                    }
                }
            } catch (end: Exception) {
                failure?.let { throw it }
                currentCoroutineContext().ensureActive() // cancelled from outside?
                val status = (end as? SSEClientException)?.response?.status?.value
                if (status in FINAL) throw Refused(status!!)
            }
            delay(retry + Random.nextInt(1_000).milliseconds)
        }
    }
}
