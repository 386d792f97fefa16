package tidings.clients;

import jakarta.ws.rs.client.Client;
import jakarta.ws.rs.client.ClientBuilder;
import jakarta.ws.rs.client.ClientRequestFilter;
import jakarta.ws.rs.client.ClientResponseFilter;
import jakarta.ws.rs.sse.SseEventSource;
import java.util.Map;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicBoolean;

/** Jersey's SseEventSource, as it comes. */
public final class Jersey {
  public static void main(String[] arguments) throws Exception {
    Host.run(Map.of("jersey", Jersey::follow));
  }

  private static void follow(Host.Stream stream) throws Exception {
    var begun = new AtomicBoolean();
    ClientRequestFilter credentials =
        request -> {
          if (stream.token() != null) request.getHeaders().putSingle("Authorization", "Bearer " + stream.token());
          // The only way to begin somewhere; later on the library sends its own.
          if (stream.lastEventId() != null && !begun.getAndSet(true)) {
            request.getHeaders().putSingle("Last-Event-ID", stream.lastEventId());
          }
        };
    ClientResponseFilter watched =
        (request, answer) -> {
          if (answer.getStatus() == 200) stream.opened();
          else stream.status = answer.getStatus();
        };
    Client client = ClientBuilder.newClient().register(credentials).register(watched);
    var failed = new CountDownLatch(1);
    var end = new CountDownLatch(1);
    SseEventSource source = SseEventSource.target(client.target(stream.url)).build();
    source.register(
        event -> stream.event(event.getName(), event.getId(), event.readData()),
        error -> {
          stream.failed(error);
          failed.countDown();
        },
        end::countDown);
    stream.closedBy(
        () -> {
          source.close(0, TimeUnit.SECONDS);
          client.close();
        });
    source.open();
    end.await();
    // It may tell why after it told that it is over.
    if (failed.await(5, TimeUnit.SECONDS)) throw new Host.Told();
  }
}
