import de.bwaldvogel.mongo.MongoServer;
import de.bwaldvogel.mongo.MongoVersion;
import de.bwaldvogel.mongo.backend.memory.MemoryBackend;
import java.util.List;

/** A server of MongoDB's protocol that keeps everything in memory: {@code MongoTestServer PORT}. */
public class MongoTestServer {
    /** What it says it is. */
    private static final MongoVersion VERSION = new MongoVersion() {
        @Override
        public List<Integer> getVersionArray() {
            return List.of(5, 0, 0);
        }

        @Override
        public int getWireVersion() {
            return 9;
        }
    };

    public static void main(String[] arguments) throws InterruptedException {
        MongoServer server = new MongoServer(new MemoryBackend().version(VERSION));
        try {
            server.bind("127.0.0.1", Integer.parseInt(arguments[0]));
        } catch (RuntimeException e) {
            System.out.println(e);
            System.exit(1);
        }
        System.out.println("READY");
        Thread.currentThread().join();
    }
}
