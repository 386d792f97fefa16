package tidings.clients;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.time.Duration;
import java.util.Iterator;
import java.util.Set;
import java.util.concurrent.Executors;
import java.util.concurrent.ScheduledExecutorService;
import java.util.concurrent.ThreadLocalRandom;
import java.util.concurrent.TimeUnit;
import java.util.function.Supplier;
import java.util.stream.Stream;

/** Follows a stream with java.net.http, which reads no events and has no read timeout. */
public final class JdkFollower implements AutoCloseable {
  public interface Handler {
    /** Keep the id together with what you did about the event; it is null where the event has none. */
    void on(String id, String name, String data);
  }

  /** A status that no retry changes. After 401, get a new token first. */
  public static final class Refused extends Exception {
    public final int status;

    Refused(int status) {
      super("refused with " + status);
      this.status = status;
    }
  }

  private static final Set<Integer> FINAL = Set.of(400, 401, 403, 404, 406);

  // HTTP/1.1 gives a stream a connection of its own, which ends with it. Over HTTP/2 the next request would go into the
  // same connection again, even if nobody is at its other end any more.
  private final HttpClient client =
      HttpClient.newBuilder().version(HttpClient.Version.HTTP_1_1).connectTimeout(Duration.ofSeconds(10)).build();
  private final URI uri;
  private final Duration silence;
  private final Supplier<String> token;
  private final Handler handler;
  private String lastId;
  private long retry = 3_000;
  private volatile Stream<String> body;
  private volatile boolean reading;
  private volatile long heard;
  private volatile boolean closed;

  /**
   * @param lastId where to begin: the id of the last event that was handled, or null
   * @param silence three heartbeat intervals: 75 s, unless HEARTBEAT_INTERVAL was changed
   * @param token asked before each connection, so that {@code expired} needs no code
   */
  public JdkFollower(URI uri, String lastId, Duration silence, Supplier<String> token, Handler handler) {
    this.uri = uri;
    this.lastId = lastId;
    this.silence = silence;
    this.token = token;
    this.handler = handler;
  }

  /** Hands each event to the handler, and returns when it is closed. */
  public void run() throws Refused, InterruptedException {
    ScheduledExecutorService timer = Executors.newSingleThreadScheduledExecutor();
    timer.scheduleWithFixedDelay(this::watch, 1, 1, TimeUnit.SECONDS);
    try {
      while (!closed) {
        // This timeout ends with the head of the answer.
        HttpRequest.Builder request = HttpRequest.newBuilder(uri).timeout(silence);
        request.header("Accept", "text/event-stream").header("Authorization", "Bearer " + token.get());
        if (lastId != null) request.header("Last-Event-ID", lastId);
        try {
          HttpResponse<Stream<String>> answer = client.send(request.build(), HttpResponse.BodyHandlers.ofLines());
          try (Stream<String> lines = answer.body()) {
            if (FINAL.contains(answer.statusCode())) throw new Refused(answer.statusCode());
            body = lines;
            if (answer.statusCode() == 200 && !closed) read(lines.iterator());
          }
        } catch (IOException | UncheckedIOException lost) {
          // Cut on purpose, closed by the watchdog, the network: the same to us.
        } finally {
          reading = false;
        }
        if (!closed) Thread.sleep(retry + ThreadLocalRandom.current().nextLong(1_000));
      }
    } finally {
      timer.shutdownNow();
    }
  }

  /** Closes a stream of which nothing was heard for too long. Nothing else ends a read: Thread.interrupt does not. */
  private void watch() {
    if (reading && System.nanoTime() - heard > silence.toNanos()) body.close();
  }

  private void read(Iterator<String> lines) {
    String id = null;
    String name = null;
    StringBuilder data = new StringBuilder();
    while (true) {
      heard = System.nanoTime();
      reading = true;
      if (!lines.hasNext()) return;
      String line = lines.next();
      reading = false; // what the handler does may take longer
      if (line.isEmpty()) { // only now is the event complete, and only now does its id count
        if (data.length() > 0) handler.on(id, name, data.substring(1));
        if (id != null) lastId = id;
        id = null;
        name = null;
        data.setLength(0);
        continue;
      }
      int colon = line.indexOf(':');
      if (colon < 1) continue;
      String value = line.substring(line.startsWith(" ", colon + 1) ? colon + 2 : colon + 1);
      switch (line.substring(0, colon)) {
        case "id" -> id = value;
        case "event" -> name = value;
        case "data" -> data.append('\n').append(value);
        case "retry" -> retry = Long.parseLong(value);
        default -> {}
      }
    }
  }

  @Override
  public void close() {
    closed = true;
    if (body != null) body.close();
  }
}
