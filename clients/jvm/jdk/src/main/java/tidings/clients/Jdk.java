package tidings.clients;

import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.time.Duration;
import java.util.Iterator;
import java.util.Map;

/** java.net.http with {@code BodyHandlers.ofLines()}: one connection, as it comes. */
public final class Jdk {
  private static final HttpClient CLIENT = HttpClient.newHttpClient();

  public static void main(String[] arguments) throws Exception {
    Host.run(Map.of("java.net.http", Jdk::follow, "follower", Jdk::followBetter));
  }

  private static void follow(Host.Stream stream) throws Exception {
    HttpRequest.Builder request = HttpRequest.newBuilder(URI.create(stream.url));
    request.header("Accept", "text/event-stream");
    if (stream.token() != null) request.header("Authorization", "Bearer " + stream.token());
    if (stream.lastEventId() != null) request.header("Last-Event-ID", stream.lastEventId());
    var answer = CLIENT.send(request.build(), HttpResponse.BodyHandlers.ofLines());
    stream.closedBy(answer.body());
    if (answer.statusCode() != 200) {
      stream.status = answer.statusCode();
      return;
    }
    stream.opened();
    String name = null;
    String id = null;
    String data = null;
    for (Iterator<String> lines = answer.body().iterator(); lines.hasNext(); ) {
      String line = lines.next();
      if (line.isEmpty()) {
        if (data != null) stream.event(name, id, data);
        name = id = data = null;
      } else if (line.startsWith("event: ")) {
        name = line.substring("event: ".length());
      } else if (line.startsWith("id: ")) {
        id = line.substring("id: ".length());
      } else if (line.startsWith("data: ")) {
        data = line.substring("data: ".length());
      }
    }
  }

  private static void followBetter(Host.Stream stream) throws Exception {
    var silence = Duration.ofMillis(stream.silenceMs);
    try (var follower =
        new JdkFollower(
            URI.create(stream.url),
            stream.lastEventId(),
            silence,
            stream::asked,
            (id, name, data) -> stream.event(name, id, data))) {
      stream.closedBy(follower);
      follower.run();
    } catch (JdkFollower.Refused refused) {
      stream.status = refused.status;
      throw refused;
    }
  }
}
