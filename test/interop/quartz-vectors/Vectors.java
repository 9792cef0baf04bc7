import java.lang.reflect.Method;
import java.net.URL;
import java.net.URLClassLoader;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Instant;
import java.util.ArrayList;
import java.util.Date;
import java.util.List;
import java.util.TimeZone;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;

/**
 * Asks Quartz's own CronExpression, in two versions, for the fires of every case in cases.txt, and prints them as JSON.
 *
 * cases.txt has groups. A group begins with "= NAME", then lists "@ ZONE FROM" (where and from when), then expressions, one a
 * line; each expression is asked at each place. In the group "rejected" there are no places: each must fail to parse in
 * 2.3.2, or never be able to fire.
 */
public final class Vectors {
  private static final int FIRES = 20;
  private static final long LAST = Instant.parse("2100-01-01T00:00:00Z").getEpochSecond();
  private static final String OLD = "2.3.2";
  private static final String NEW = "2.5.2";

  private record Place(String zone, Instant from) {}

  public static void main(String[] args) throws Exception {
    Class<?> old = cronExpression(OLD);
    Class<?> recent = cronExpression(NEW);
    List<Place> places = new ArrayList<>();
    List<String> vectors = new ArrayList<>();
    List<String> rejected = new ArrayList<>();
    String group = "";
    for (String line : Files.readAllLines(Path.of("cases.txt"))) {
      String text = line.strip();
      if (text.isEmpty() || text.startsWith("//")) continue;
      if (text.startsWith("= ")) {
        group = text.substring(2);
        places.clear();
      } else if (text.startsWith("@ ")) {
        String[] parts = text.split(" +");
        places.add(new Place(parts[1], Instant.parse(parts[2])));
      } else if (group.equals("rejected")) {
        rejected.add("[" + quote(text) + "," + isAccepted(old, text) + "," + isAccepted(recent, text) + "]");
      } else {
        for (Place place : places) vectors.add(vector(group, text, place, old, recent));
      }
    }
    System.out.println("{\"quartz\":[\"" + OLD + "\",\"" + NEW + "\"],\"java\":" + quote(System.getProperty("java.version")) + ",");
    System.out.println("\"about\":\"group, expression, zone, from, then the fires of each version (null: the same; a text: its refusal): seconds, each after the one before, the first after from\",");
    System.out.println("\"rejected\":[\n" + String.join(",\n", rejected) + "\n],");
    System.out.println("\"vectors\":[\n" + String.join(",\n", vectors) + "\n]}");
    System.out.flush();
    System.exit(0); // over threads that never end
  }

  private static String vector(String group, String expression, Place place, Class<?> old, Class<?> recent) throws Exception {
    String first = fires(old, expression, place);
    String second = fires(recent, expression, place);
    return "[" + quote(group) + "," + quote(expression) + "," + quote(place.zone) + "," + place.from.getEpochSecond() + "," + first
        + "," + (first.equals(second) ? "null" : second) + "]";
  }

  /** Some expressions that are accepted send Quartz round for ever: those are given a second. */
  private static String fires(Class<?> type, String expression, Place place) throws Exception {
    CompletableFuture<String> answer = new CompletableFuture<>();
    Thread asking = new Thread(() -> answer.complete(ask(type, expression, place)));
    asking.setDaemon(true);
    asking.start();
    try {
      return answer.get(5, TimeUnit.SECONDS);
    } catch (TimeoutException endless) {
      return quote("endless");
    }
  }

  private static String ask(Class<?> type, String expression, Place place) {
    try {
      Object cron = type.getConstructor(String.class).newInstance(expression);
      type.getMethod("setTimeZone", TimeZone.class).invoke(cron, TimeZone.getTimeZone(place.zone));
      Method next = type.getMethod("getNextValidTimeAfter", Date.class);
      List<String> deltas = new ArrayList<>();
      Date after = Date.from(place.from);
      while (deltas.size() < FIRES) {
        Date fire = (Date) next.invoke(cron, after);
        if (fire == null || fire.getTime() / 1000 >= LAST) break;
        deltas.add(String.valueOf((fire.getTime() - after.getTime()) / 1000));
        after = fire;
      }
      return "[" + String.join(",", deltas) + "]";
    } catch (ReflectiveOperationException failure) {
      return quote(String.valueOf(failure.getCause() == null ? failure : failure.getCause().getMessage()));
    }
  }

  private static boolean isAccepted(Class<?> type, String expression) throws Exception {
    return !fires(type, expression, new Place("UTC", Instant.parse("2026-01-01T00:00:00Z"))).startsWith("\"");
  }

  private static Class<?> cronExpression(String version) throws Exception {
    URL jar = Path.of("target", "quartz-" + version + ".jar").toUri().toURL();
    return new URLClassLoader(new URL[] {jar}, null).loadClass("org.quartz.CronExpression");
  }

  private static String quote(String text) {
    return "\"" + text.replace("\\", "\\\\").replace("\"", "\\\"").replace("\t", "\\t") + "\"";
  }
}
