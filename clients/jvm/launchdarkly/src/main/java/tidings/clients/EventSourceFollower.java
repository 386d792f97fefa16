package tidings.clients;

import com.launchdarkly.eventsource.ConnectStrategy;
import com.launchdarkly.eventsource.EventSource;
import com.launchdarkly.eventsource.MessageEvent;
import com.launchdarkly.eventsource.RetryDelayStrategy;
import com.launchdarkly.eventsource.StreamException;
import com.launchdarkly.eventsource.StreamHttpErrorException;
import java.net.URI;
import java.time.Duration;
import java.util.Set;
import java.util.concurrent.TimeUnit;
import java.util.function.Supplier;

/** Follows a stream with LaunchDarkly's okhttp-eventsource, which comes back by itself at the next read. */
public final class EventSourceFollower implements AutoCloseable {
  public interface Handler {
    /** Keep the id, which is that of the last event that had one, together with what you did about the event. */
    void on(String id, String name, String data);
  }

  private static final Set<Integer> FINAL = Set.of(400, 401, 403, 404, 406);

  private final EventSource source;
  private final Handler handler;
  private volatile boolean closed;

  /**
   * @param lastId where to begin: the id of the last event that was handled, or null
   * @param silence three heartbeat intervals: 75 s, unless HEARTBEAT_INTERVAL was changed
   * @param token asked before each connection, so that {@code expired} needs no code
   */
  public EventSourceFollower(URI uri, String lastId, Duration silence, Supplier<String> token, Handler handler) {
    this.handler = handler;
    source =
        new EventSource.Builder(
                ConnectStrategy.http(uri)
                    .readTimeout(silence.toMillis(), TimeUnit.MILLISECONDS) // 5 s by default
                    .requestTransformer(
                        request -> request.newBuilder().header("Authorization", "Bearer " + token.get()).build()))
            .lastEventId(lastId)
            // It doubles what `retry` said at each failure, up to 30 s by default.
            .retryDelayStrategy(RetryDelayStrategy.defaultStrategy().maxDelay(10, TimeUnit.SECONDS))
            .build();
  }

  /**
   * Hands each event to the handler, and returns when it is closed.
   *
   * @throws StreamHttpErrorException with a status that no retry changes; after 401, get a new token first
   */
  public void run() throws StreamHttpErrorException {
    while (!closed) {
      try {
        MessageEvent event = source.readMessage();
        handler.on(event.getLastEventId(), event.getEventName(), event.getData());
      } catch (StreamHttpErrorException refused) {
        if (FINAL.contains(refused.getCode())) throw refused;
      } catch (StreamException lost) {
        // Cut on purpose, an expired token, the network: it comes back at the next read, with the last id.
        // Or it was closed.
      }
    }
  }

  @Override
  public void close() {
    closed = true;
    source.close();
  }
}
