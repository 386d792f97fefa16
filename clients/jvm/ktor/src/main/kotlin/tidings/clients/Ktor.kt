package tidings.clients

import io.ktor.client.HttpClient
import io.ktor.client.engine.cio.CIO
import io.ktor.client.plugins.HttpSend
import io.ktor.client.plugins.plugin
import io.ktor.client.plugins.sse.SSE
import io.ktor.client.plugins.sse.sse
import io.ktor.client.request.bearerAuth
import io.ktor.client.request.header
import kotlin.time.Duration.Companion.milliseconds
import kotlinx.coroutines.Job
import kotlinx.coroutines.runBlocking

/** Ktor's plugin for server-sent events over CIO, as it comes, and with attempts to come back. */
object Ktor {
    @JvmStatic
    fun main(arguments: Array<String>) {
        Host.run(
            mapOf(
                "ktor" to Host.Library { follow(it, 0) },
                "ktor, reconnecting" to Host.Library { follow(it, 1_000) },
                "follower" to Host.Library(::followBetter),
            ),
        )
    }

    private fun follow(stream: Host.Stream, attempts: Int) = runBlocking {
        val job = coroutineContext[Job]!!
        stream.closedBy { job.cancel() }
        val client = HttpClient(CIO) { install(SSE) { maxReconnectionAttempts = attempts } }
        client.plugin(HttpSend).intercept { request ->
            execute(request).also {
                val status = it.response.status.value
                if (status == 200) stream.opened() else stream.status = status
            }
        }
        client.use {
            client.sse(urlString = stream.url, request = {
                stream.token()?.let { bearerAuth(it) }
                stream.lastEventId()?.let { header("Last-Event-ID", it) }
            }) {
                incoming.collect { stream.event(it.event, it.id, it.data) }
            }
        }
    }

    private fun followBetter(stream: Host.Stream) = runBlocking {
        val job = coroutineContext[Job]!!
        stream.closedBy { job.cancel() }
        try {
            tidings.clients.follow(
                stream.url,
                stream.lastEventId(),
                stream.silenceMs.milliseconds,
                { stream.asked() },
            ) { id, name, data -> stream.event(name, id, data) }
        } catch (refused: Refused) {
            stream.status = refused.status
            throw refused
        }
    }
}
