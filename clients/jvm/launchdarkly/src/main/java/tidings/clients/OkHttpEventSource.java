package tidings.clients;

import com.launchdarkly.eventsource.ConnectStrategy;
import com.launchdarkly.eventsource.EventSource;
import com.launchdarkly.eventsource.HttpConnectStrategy;
import com.launchdarkly.eventsource.MessageEvent;
import com.launchdarkly.eventsource.StreamHttpErrorException;
import com.launchdarkly.eventsource.background.BackgroundEventHandler;
import com.launchdarkly.eventsource.background.BackgroundEventSource;
import java.net.URI;
import java.time.Duration;
import java.util.Map;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;

/** okhttp-eventsource, as it comes but for its read timeout, which a stream without heartbeats would run into. */
public final class OkHttpEventSource {
  public static void main(String[] arguments) throws Exception {
    Host.run(Map.of("okhttp-eventsource", OkHttpEventSource::follow, "follower", OkHttpEventSource::followBetter));
  }

  private static void follow(Host.Stream stream) throws Exception {
    HttpConnectStrategy http = ConnectStrategy.http(URI.create(stream.url)).readTimeout(0, TimeUnit.SECONDS);
    if (stream.token() != null) http = http.header("Authorization", "Bearer " + stream.token());
    var handler =
        new BackgroundEventHandler() {
          @Override
          public void onOpen() {
            stream.opened();
          }

          @Override
          public void onClosed() {}

          @Override
          public void onMessage(String name, MessageEvent event) {
            stream.event(name, event.getLastEventId(), event.getData());
          }

          @Override
          public void onComment(String comment) {}

          @Override
          public void onError(Throwable error) {
            stream.status = error instanceof StreamHttpErrorException refused ? refused.getCode() : 0;
            stream.failed(error);
          }
        };
    var source =
        new BackgroundEventSource.Builder(handler, new EventSource.Builder(http).lastEventId(stream.lastEventId())).build();
    stream.closedBy(source);
    source.start();
    // It never gives up.
    new CountDownLatch(1).await();
  }

  private static void followBetter(Host.Stream stream) throws Exception {
    var silence = Duration.ofMillis(stream.silenceMs);
    try (var follower =
        new EventSourceFollower(
            URI.create(stream.url),
            stream.lastEventId(),
            silence,
            stream::asked,
            (id, name, data) -> stream.event(name, id, data))) {
      stream.closedBy(follower);
      follower.run();
    } catch (StreamHttpErrorException refused) {
      stream.status = refused.getCode();
      throw refused;
    }
  }
}
