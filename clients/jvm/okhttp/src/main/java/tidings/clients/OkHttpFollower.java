package tidings.clients;

import java.io.IOException;
import java.time.Duration;
import java.util.Set;
import java.util.concurrent.ThreadLocalRandom;
import java.util.function.Supplier;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import okhttp3.Call;
import okhttp3.OkHttpClient;
import okhttp3.Request;
import okhttp3.Response;
import okhttp3.sse.EventSource;
import okhttp3.sse.EventSourceListener;
import okhttp3.sse.EventSources;

/** Follows a stream with okhttp-sse, which reads one connection and hides the field {@code retry}. */
public final class OkHttpFollower extends EventSourceListener implements AutoCloseable {
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
  private static final Set<String> CONTROL = Set.of("connected", "busy", "draining", "slow");
  private static final Pattern RETRY = Pattern.compile("\"retry\":(\\d+)");

  private final OkHttpClient client;
  private final String url;
  private final Supplier<String> token;
  private final Handler handler;
  private String lastId;
  private long retry = 3_000;
  private RuntimeException failure;
  private volatile Call call;
  private volatile boolean closed;

  /**
   * @param lastId where to begin: the id of the last event that was handled, or null
   * @param silence three heartbeat intervals: 75 s, unless HEARTBEAT_INTERVAL was changed
   * @param token asked before each connection, so that {@code expired} needs no code
   */
  public OkHttpFollower(String url, String lastId, Duration silence, Supplier<String> token, Handler handler) {
    this.url = url;
    this.lastId = lastId;
    this.token = token;
    this.handler = handler;
    // The 10 s that are OkHttp's own are less than the 25 s between two heartbeats; without a timeout a peer that is gone
    // is never noticed.
    client = new OkHttpClient.Builder().readTimeout(silence).build();
  }

  /** Hands each event to the handler, and returns when it is closed. */
  public void run() throws Refused, InterruptedException {
    while (!closed) {
      Request.Builder request = new Request.Builder().url(url);
      request.header("Accept", "text/event-stream").header("Authorization", "Bearer " + token.get());
      if (lastId != null) request.header("Last-Event-ID", lastId);
      call = client.newCall(request.build());
      if (closed) return;
      try (Response answer = call.execute()) {
        if (FINAL.contains(answer.code())) throw new Refused(answer.code());
        if (answer.isSuccessful()) EventSources.processResponse(answer, this);
      } catch (IOException lost) {
        // The network, or nobody is there. What breaks off later is told to onFailure; we come back from all of it.
      }
      if (failure != null) throw failure;
      if (!closed) Thread.sleep(retry + ThreadLocalRandom.current().nextLong(1_000));
    }
  }

  @Override
  public void onEvent(EventSource source, String id, String name, String data) {
    try {
      handler.on(id, name, data);
    } catch (RuntimeException thrown) { // OkHttp would take it for a failure of the connection
      failure = thrown;
      call.cancel();
      return;
    }
    if (id != null) lastId = id;
    if (CONTROL.contains(name)) {
      Matcher told = RETRY.matcher(data);
      if (told.find()) retry = Long.parseLong(told.group(1));
    }
  }

  @Override
  public void close() {
    closed = true;
    if (call != null) call.cancel();
  }
}
