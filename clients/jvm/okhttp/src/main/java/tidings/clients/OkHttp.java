package tidings.clients;

import java.time.Duration;
import java.util.Map;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ExecutionException;
import okhttp3.OkHttpClient;
import okhttp3.Request;
import okhttp3.Response;
import okhttp3.sse.EventSource;
import okhttp3.sse.EventSourceListener;
import okhttp3.sse.EventSources;

/** okhttp-sse: one connection, as it comes but for its read timeout, which a stream without heartbeats would run into. */
public final class OkHttp {
  private static final OkHttpClient CLIENT = new OkHttpClient.Builder().readTimeout(Duration.ZERO).build();

  public static void main(String[] arguments) throws Exception {
    Host.run(Map.of("okhttp-sse", OkHttp::follow, "follower", OkHttp::followBetter));
  }

  private static void follow(Host.Stream stream) throws Throwable {
    Request.Builder request = new Request.Builder().url(stream.url);
    if (stream.token() != null) request.header("Authorization", "Bearer " + stream.token());
    if (stream.lastEventId() != null) request.header("Last-Event-ID", stream.lastEventId());
    var end = new CompletableFuture<Void>();
    var listener =
        new EventSourceListener() {
          @Override
          public void onOpen(EventSource source, Response answer) {
            stream.opened();
          }

          @Override
          public void onEvent(EventSource source, String id, String name, String data) {
            stream.event(name, id, data);
          }

          @Override
          public void onClosed(EventSource source) {
            end.complete(null);
          }

          @Override
          public void onFailure(EventSource source, Throwable error, Response answer) {
            if (answer != null && answer.code() != 200) stream.status = answer.code();
            if (error == null) end.complete(null);
            else end.completeExceptionally(error);
          }
        };
    stream.closedBy(EventSources.createFactory(CLIENT).newEventSource(request.build(), listener)::cancel);
    try {
      end.get();
    } catch (ExecutionException failed) {
      throw failed.getCause();
    }
  }

  private static void followBetter(Host.Stream stream) throws Exception {
    var silence = Duration.ofMillis(stream.silenceMs);
    try (var follower =
        new OkHttpFollower(
            stream.url, stream.lastEventId(), silence, stream::asked, (id, name, data) -> stream.event(name, id, data))) {
      stream.closedBy(follower);
      follower.run();
    } catch (OkHttpFollower.Refused refused) {
      stream.status = refused.status;
      throw refused;
    }
  }
}
