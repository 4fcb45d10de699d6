// Long work for the Java virtual machine: threads, direct buffers (malloc's), Deflater and Inflater (zlib's
// allocations), strings, collections, reflection and lambdas. Prints digests.
import java.io.ByteArrayInputStream;
import java.io.ByteArrayOutputStream;
import java.lang.ref.Cleaner;
import java.nio.ByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.security.MessageDigest;
import java.util.ArrayList;
import java.util.HexFormat;
import java.util.List;
import java.util.Random;
import java.util.TreeMap;
import java.util.concurrent.Callable;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.stream.Collectors;
import java.util.stream.IntStream;
import java.util.zip.CRC32C;
import java.util.zip.Deflater;
import java.util.zip.GZIPInputStream;
import java.util.zip.GZIPOutputStream;
import java.util.zip.Inflater;

public final class Work {
  private static String sha(byte[] data) throws Exception {
    return HexFormat.of().formatHex(MessageDigest.getInstance("SHA-256").digest(data), 0, 16);
  }

  /** Direct buffers of 1 B to 1 MiB in a ring: each must be zero when new, and hold what was put into it. */
  private static String buffers(int seed, int rounds) throws Exception {
    Random random = new Random(seed);
    ByteBuffer[] ring = new ByteBuffer[300];
    byte[] marks = new byte[ring.length];
    MessageDigest total = MessageDigest.getInstance("SHA-256");
    for (int i = 0; i < rounds; i++) {
      int place = random.nextInt(ring.length);
      if (ring[place] != null) {
        ByteBuffer old = ring[place].duplicate();
        old.clear();
        for (ByteBuffer part = old.duplicate(); part.hasRemaining();) {
          if (part.get() != marks[place]) throw new IllegalStateException("a direct buffer lost its contents");
        }
        total.update(old);
      }
      ByteBuffer fresh = ByteBuffer.allocateDirect(1 + random.nextInt(i % 100 == 0 ? 1 << 20 : 20_000));
      for (ByteBuffer part = fresh.duplicate(); part.hasRemaining();) {
        if (part.get() != 0) throw new IllegalStateException("a new direct buffer is not zero");
      }
      marks[place] = (byte) random.nextInt(256);
      while (fresh.hasRemaining()) fresh.put(marks[place]);
      ring[place] = fresh;
    }
    return HexFormat.of().formatHex(total.digest(), 0, 16);
  }

  private static byte[] text(int seed, int words) {
    Random random = new Random(seed);
    StringBuilder text = new StringBuilder();
    for (int i = 0; i < words; i++) text.append("wörd").append(random.nextInt(5000)).append(' ');
    return text.toString().getBytes(StandardCharsets.UTF_8);
  }

  /** Many short-lived streams of zlib's, each with its window and tables. */
  private static String packed(int seed) throws Exception {
    ByteArrayOutputStream all = new ByteArrayOutputStream();
    for (int round = 0; round < 60; round++) {
      byte[] data = text(seed * 1000 + round, 200 * (1 + round % 20));
      Deflater deflater = new Deflater(1 + round % 9, round % 2 == 0);
      deflater.setInput(data);
      deflater.finish();
      byte[] small = new byte[data.length + 100];
      int size = deflater.deflate(small);
      deflater.end();
      Inflater inflater = new Inflater(round % 2 == 0);
      inflater.setInput(small, 0, size);
      byte[] again = new byte[data.length];
      if (inflater.inflate(again) != data.length || !java.util.Arrays.equals(again, data)) {
        throw new IllegalStateException("Inflater does not give back what Deflater got");
      }
      if (round % 3 != 0) inflater.end(); // the others are left to the Cleaner
      ByteArrayOutputStream zipped = new ByteArrayOutputStream();
      try (GZIPOutputStream out = new GZIPOutputStream(zipped)) {
        out.write(data);
      }
      try (GZIPInputStream in = new GZIPInputStream(new ByteArrayInputStream(zipped.toByteArray()))) {
        if (!java.util.Arrays.equals(in.readAllBytes(), data)) throw new IllegalStateException("gzip changed the data");
      }
      all.write(small, 0, size);
    }
    return all.size() + " " + sha(all.toByteArray());
  }

  private static String files(int seed) throws Exception {
    Path path = Files.createTempFile("work", ".bin");
    try (FileChannel file = FileChannel.open(path, StandardOpenOption.READ, StandardOpenOption.WRITE)) {
      for (int i = 0; i < 50; i++) {
        // A heap buffer goes by way of a direct one that the thread keeps.
        file.write(ByteBuffer.wrap(text(seed + i, 500 * (1 + i % 7))));
      }
      ByteBuffer read = ByteBuffer.allocateDirect((int) file.size());
      while (read.hasRemaining() && file.read(read, read.position()) > 0) { }
      CRC32C sum = new CRC32C();
      sum.update(read.flip());
      return Long.toHexString(sum.getValue());
    } finally {
      Files.delete(path);
    }
  }

  private static String objects() throws Exception {
    Random random = new Random(3);
    TreeMap<String, List<Integer>> lists = new TreeMap<>();
    for (int i = 0; i < 300_000; i++) {
      lists.computeIfAbsent("key" + random.nextInt(20_011), key -> new ArrayList<>()).add(i);
    }
    String text = lists.entrySet().stream()
        .map(entry -> entry.getKey() + "=" + entry.getValue().stream().mapToLong(x -> (long) x * x).sum())
        .collect(Collectors.joining(","));
    return lists.size() + " " + sha(text.replaceAll("(\\d)\\1", "<$1>").getBytes(StandardCharsets.UTF_8));
  }

  public static void main(String[] arguments) throws Exception {
    System.out.println(objects());
    var pool = Executors.newFixedThreadPool(6);
    List<Callable<String>> work = new ArrayList<>();
    for (int seed = 1; seed <= 6; seed++) {
      int mine = seed;
      work.add(() -> buffers(mine, 3000));
      work.add(() -> packed(mine));
      work.add(() -> files(mine));
    }
    for (Future<String> result : pool.invokeAll(work)) System.out.println(result.get());
    pool.shutdown();
    // Threads that come and go, each with native memory of its own.
    for (int round = 0; round < 40; round++) {
      List<Thread> threads = IntStream.range(0, 25).mapToObj(i -> new Thread(() -> {
        ByteBuffer.allocateDirect(5000 + i);
        StandardCharsets.UTF_8.encode("x".repeat(i * 100));
      })).toList();
      threads.forEach(Thread::start);
      for (Thread thread : threads) thread.join();
      if (round % 10 == 0) System.gc();
    }
    Process child = new ProcessBuilder("sh", "-c", "echo a child says $((6 * 7))").redirectErrorStream(true).start();
    System.out.print(new String(child.getInputStream().readAllBytes(), StandardCharsets.UTF_8));
    System.out.println("status " + child.waitFor());
    Cleaner.create().register(new Object(), () -> { });
  }
}
