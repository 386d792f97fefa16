package tidings.clients;

import java.time.Duration;
import java.util.Map;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ExecutionException;
import org.springframework.core.ParameterizedTypeReference;
import org.springframework.http.MediaType;
import org.springframework.http.codec.ServerSentEvent;
import org.springframework.web.reactive.function.client.ExchangeFilterFunction;
import org.springframework.web.reactive.function.client.WebClient;
import org.springframework.web.reactive.function.client.WebClientResponseException;
import reactor.core.publisher.Flux;
import reactor.core.publisher.Mono;

/** Spring's WebClient over reactor-netty: one connection, as it comes. */
public final class Spring {
  public static void main(String[] arguments) throws Exception {
    Host.run(Map.of("WebClient", Spring::follow, "follower", Spring::followBetter));
  }

  private static void follow(Host.Stream stream) throws Throwable {
    ExchangeFilterFunction watched =
        ExchangeFilterFunction.ofResponseProcessor(
            answer -> {
              int status = answer.statusCode().value();
              if (status == 200) stream.opened();
              else stream.status = status;
              return Mono.just(answer);
            });
    Flux<ServerSentEvent<String>> events =
        WebClient.builder()
            .filter(watched)
            .build()
            .get()
            .uri(stream.url)
            .accept(MediaType.TEXT_EVENT_STREAM)
            .headers(
                headers -> {
                  if (stream.token() != null) headers.setBearerAuth(stream.token());
                  if (stream.lastEventId() != null) headers.set("Last-Event-ID", stream.lastEventId());
                })
            .retrieve()
            .bodyToFlux(new ParameterizedTypeReference<>() {});
    finish(stream, events);
  }

  private static void followBetter(Host.Stream stream) throws Throwable {
    var silence = Duration.ofMillis(stream.silenceMs);
    try {
      finish(
          stream,
          WebClientFollower.follow(WebClient.builder(), stream.url, stream.lastEventId(), silence, stream::asked));
    } catch (WebClientResponseException refused) {
      stream.status = refused.getStatusCode().value();
      throw refused;
    }
  }

  private static void finish(Host.Stream stream, Flux<ServerSentEvent<String>> events) throws Throwable {
    var end = new CompletableFuture<Void>();
    var subscription =
        events.subscribe(
            event -> {
              if (event.data() != null) stream.event(event.event(), event.id(), event.data());
            },
            end::completeExceptionally,
            () -> end.complete(null));
    stream.closedBy(subscription::dispose);
    try {
      end.get();
    } catch (ExecutionException failed) {
      throw failed.getCause();
    }
  }
}
