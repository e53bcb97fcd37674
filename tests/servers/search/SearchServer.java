import java.util.Arrays;

/** java -cp … SearchServer RUNNER-CLASS [its options]: one of codelibs' runners, on exactly the port that it is given. */
public class SearchServer {
    public static void main(String[] args) throws Exception {
        Class<?> type = Class.forName(args[0]);
        Object runner = type.getDeclaredConstructor().newInstance();
        // Its own main() refuses ports above 9299, and goes on to the next where one is taken.
        type.getMethod("setMaxHttpPort", int.class).invoke(runner, -1);
        try {
            type.getMethod("build", String[].class).invoke(runner, (Object) Arrays.copyOfRange(args, 1, args.length));
        } catch (Exception e) {
            e.printStackTrace();
            System.exit(1);
        }
        Thread.currentThread().join();
    }
}
