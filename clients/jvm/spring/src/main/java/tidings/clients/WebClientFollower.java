package tidings.clients;

import java.io.EOFException;
import java.time.Duration;
import java.util.Set;
import java.util.concurrent.ThreadLocalRandom;
import java.util.concurrent.atomic.AtomicReference;
import java.util.function.Supplier;
import org.springframework.core.ParameterizedTypeReference;
import org.springframework.http.MediaType;
import org.springframework.http.codec.ServerSentEvent;
import org.springframework.web.reactive.function.client.WebClient;
import org.springframework.web.reactive.function.client.WebClientResponseException;
import reactor.core.publisher.Flux;
import reactor.core.publisher.Mono;
import reactor.util.retry.Retry;

/** Follows a stream with Spring's WebClient, which reads one connection. */
public final class WebClientFollower {
  private static final Set<Integer> FINAL = Set.of(400, 401, 403, 404, 406);
  private static final ParameterizedTypeReference<ServerSentEvent<String>> EVENT = new ParameterizedTypeReference<>() {};

  private WebClientFollower() {}

  /**
   * Ends with a {@link WebClientResponseException} when a status says that no retry will help; after 401, get a new token
   * first. Keep the id of an event, where it has one, together with what you did about the event.
   *
   * @param lastId where to begin: the id of the last event that was handled, or null
   * @param silence three heartbeat intervals: 75 s, unless HEARTBEAT_INTERVAL was changed
   * @param token asked before each connection, so that {@code expired} needs no code
   */
  public static Flux<ServerSentEvent<String>> follow(
      WebClient.Builder builder, String url, String lastId, Duration silence, Supplier<String> token) {
    // The largest event is of 251 KiB, and what is larger than this limit would end the stream at it for ever.
    WebClient client = builder.codecs(codecs -> codecs.defaultCodecs().maxInMemorySize(512 * 1024)).build();
    var last = new AtomicReference<>(lastId);
    var retry = new AtomicReference<>(Duration.ofSeconds(3));
    Flux<ServerSentEvent<String>> connection =
        Flux.defer(
            () ->
                client
                    .get()
                    .uri(url)
                    .accept(MediaType.TEXT_EVENT_STREAM) // else a passing refusal is 429 or 503, not `busy`
                    .headers(
                        headers -> {
                          headers.setBearerAuth(token.get());
                          if (last.get() != null) headers.set("Last-Event-ID", last.get());
                        })
                    // `retrieve` tells of a refusal by what it makes of the body, which some decoders (Gson's) refuse.
                    .exchangeToFlux(
                        answer ->
                            answer.statusCode().value() == 200
                                ? answer.bodyToFlux(EVENT)
                                : answer.<ServerSentEvent<String>>createError().flux()));
    return connection
        .timeout(silence)
        .doOnNext(
            event -> {
              if (event.id() != null) last.set(event.id());
              if (event.retry() != null) retry.set(event.retry());
            })
        // A finished stream, such as one whose token expired, would end the Flux without a word.
        .concatWith(Mono.error(() -> new EOFException("finished")))
        .retryWhen(
            Retry.from(
                ends ->
                    ends.concatMap(
                        end ->
                            isFinal(end.failure())
                                ? Mono.error(end.failure())
                                : Mono.delay(retry.get().plusMillis(ThreadLocalRandom.current().nextLong(1_000))))));
  }

  private static boolean isFinal(Throwable end) {
    return end instanceof WebClientResponseException refused && FINAL.contains(refused.getStatusCode().value());
  }
}
