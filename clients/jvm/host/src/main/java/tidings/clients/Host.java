package tidings.clients;

import com.google.gson.Gson;
import java.io.BufferedReader;
import java.io.InputStreamReader;
import java.io.PrintStream;
import java.nio.charset.StandardCharsets;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/**
 * Follows event streams with a client library that other people wrote, and with a follower of docs/integrating.md: takes
 * commands on standard input and prints what happens, one line of JSON each (see ../README.md). Ends with its standard
 * input.
 *
 * <p>Owns the protocol. Must never touch the network: that is the libraries' part, in the modules beside this one.
 */
public final class Host {
  private Host() {}

  /** Follows a stream until it is closed or gives up: what it throws is why. Has a thread of its own. */
  public interface Library {
    void follow(Stream stream) throws Throwable;
  }

  /** Thrown by a library that gave up and has told why. */
  public static final class Told extends Exception {}

  /** A line of standard input: a stream to follow, a token to go on with, or a stream to close. */
  private record Command(
      int follow,
      String with,
      String url,
      List<String> events,
      String token,
      String lastEventId,
      long silenceMs,
      int renew,
      int close) {}

  private static final Gson JSON = new Gson();
  private static final PrintStream OUTPUT = System.out;

  public static void run(Map<String, Library> libraries) throws Exception {
    // What the libraries print is no report.
    System.setOut(System.err);
    Map<Integer, Stream> streams = new HashMap<>();
    var commands = new BufferedReader(new InputStreamReader(System.in, StandardCharsets.UTF_8));
    for (String line = commands.readLine(); line != null; line = commands.readLine()) {
      Command command = JSON.fromJson(line, Command.class);
      if (command.follow != 0) {
        var stream = new Stream(command);
        streams.put(command.follow, stream);
        start(() -> stream.run(libraries.get(command.with)));
      } else if (command.renew != 0) {
        streams.get(command.renew).token = command.token;
      } else if (command.close != 0) {
        start(streams.remove(command.close)::close);
      }
    }
    System.exit(0);
  }

  private static void start(Runnable task) {
    var thread = new Thread(task);
    thread.setDaemon(true);
    thread.start();
  }

  /** One that is followed, and where its reports go. */
  public static final class Stream {
    public final String url;
    public final long silenceMs;
    private final Command command;
    private volatile String token;
    private volatile boolean closed;
    private volatile AutoCloseable source;

    /** What a connection was answered, if that opens no stream. */
    public volatile int status;

    private Stream(Command command) {
      this.command = command;
      url = command.url;
      silenceMs = command.silenceMs;
      token = command.token;
    }

    /** The token at the beginning; null if there is none. */
    public String token() {
      return command.token.isEmpty() ? null : command.token;
    }

    /** The id to begin behind; null if there is none. */
    public String lastEventId() {
      return command.lastEventId.isEmpty() ? null : command.lastEventId;
    }

    /** What ends it. */
    public void closedBy(AutoCloseable source) {
      this.source = source;
      if (closed) close();
    }

    /** Says that the follower asked for its token, which it does before each connection, and returns that. */
    public String asked() {
      say(Map.of("asked", true));
      return token;
    }

    /** A connection was accepted as an event stream. */
    public void opened() {
      status = 0;
      say(Map.of("open", true));
    }

    /** Shows an event, if its name is wanted. */
    public void event(String name, String id, String data) {
      String named = name == null || name.isEmpty() ? "message" : name;
      if (!command.events.contains(named)) return;
      say(Map.of("event", named, "id", id == null ? "" : id, "data", data == null ? "" : data));
    }

    /** A connection failed or ended; with a reason, if the library gives one. */
    public void failed(Throwable reason) {
      Map<String, Object> line = new LinkedHashMap<>();
      line.put("error", reason == null ? "no reason given" : said(reason));
      if (status != 0) line.put("status", status);
      say(line);
    }

    private static String said(Throwable reason) {
      String message = reason.getMessage();
      String name = reason.getClass().getSimpleName();
      return message == null ? name : name + ": " + message;
    }

    private void run(Library library) {
      try {
        library.follow(this);
        failed(null);
      } catch (Told told) {
        // That was all.
      } catch (Throwable thrown) {
        failed(thrown);
      }
      say(Map.of("exit", 1));
    }

    private void close() {
      closed = true;
      try {
        if (source != null) source.close();
      } catch (Exception alreadyClosed) {
        // Nobody follows it any more.
      }
    }

    private void say(Map<String, Object> what) {
      if (closed) return;
      Map<String, Object> line = new LinkedHashMap<>(what);
      line.put("stream", command.follow);
      byte[] bytes = (JSON.toJson(line) + "\n").getBytes(StandardCharsets.UTF_8);
      synchronized (OUTPUT) {
        OUTPUT.write(bytes, 0, bytes.length);
        OUTPUT.flush();
      }
    }
  }
}
