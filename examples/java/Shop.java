// A shop as there are many: one process, its orders in a file, no framework and no library; the server is the JDK's own. Java 11 or later.
// What caddypay wanted of it stands between the two marks; the rest was there before.
import com.sun.net.httpserver.HttpExchange;
import com.sun.net.httpserver.HttpServer;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.net.InetSocketAddress;
import java.nio.ByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.charset.StandardCharsets;
import java.nio.file.*;
import java.security.MessageDigest;
import java.util.*;
import java.util.concurrent.Executors;

public class Shop {
    static final Path FILE = Paths.get(System.getenv().getOrDefault("SHOP_FILE", "orders.tsv"));
    static final Map<String, String[]> GOODS = Map.of("tea", new String[] {"Green tea 绿茶", "1999"}, "cup", new String[] {"Cup 茶杯", "4500"}); // fen

    /** A line of the file; events are the webhook-ids of what was told of the order. */
    static final class Order {
        String no, title, openid, state = "unpaid", charge = "", events = "";
        long total, refunded;
        int shipped;

        String line() {
            return String.join("\t", no, title, openid, state, charge, events, "" + total, "" + refunded, "" + shipped);
        }

        static Order read(String line) {
            String[] f = line.split("\t", -1);
            Order o = new Order();
            o.no = f[0]; o.title = f[1]; o.openid = f[2]; o.state = f[3]; o.charge = f[4]; o.events = f[5];
            o.total = Long.parseLong(f[6]); o.refunded = Long.parseLong(f[7]); o.shipped = Integer.parseInt(f[8]);
            return o;
        }
    }

    /** Refused is an error of who asks. */
    static final class Refused extends RuntimeException {
        final int status;

        Refused(int status, String message) {
            super(message);
            this.status = status;
        }
    }

    static Map<String, Order> load() throws IOException {
        Map<String, Order> orders = new LinkedHashMap<>();
        if (Files.exists(FILE)) for (String line : Files.readAllLines(FILE)) orders.put(line.substring(0, line.indexOf('\t')), Order.read(line));
        return orders;
    }

    /** save puts all orders on the disk, whole or not at all. */
    static void save(Map<String, Order> orders) throws IOException {
        StringBuilder text = new StringBuilder();
        for (Order o : orders.values()) text.append(o.line()).append('\n');
        Path next = Paths.get(FILE + ".new");
        try (FileChannel out = FileChannel.open(next, StandardOpenOption.CREATE, StandardOpenOption.TRUNCATE_EXISTING, StandardOpenOption.WRITE)) {
            ByteBuffer bytes = StandardCharsets.UTF_8.encode(text.toString());
            while (bytes.hasRemaining()) out.write(bytes);
            out.force(true);
        }
        Files.move(next, FILE, StandardCopyOption.REPLACE_EXISTING, StandardCopyOption.ATOMIC_MOVE);
    }

    // ==== payment: begin ====
    static final byte[] TOKEN = System.getenv().getOrDefault("PAY_BACKEND_TOKEN", "").getBytes(StandardCharsets.UTF_8);

    static String payment(String path, com.sun.net.httpserver.Headers headers, String body) throws IOException {
        String token = String.valueOf(headers.getFirst("X-Pay-Token")), no = headers.getFirst("X-Pay-Order-No"), id = headers.getFirst("webhook-id");
        if (TOKEN.length < 32 || !MessageDigest.isEqual(token.getBytes(StandardCharsets.UTF_8), TOKEN)) throw new Refused(403, "wrong X-Pay-Token"); // a stranger
        if (!System.getenv().getOrDefault("PAY_MODE", "live").equals(headers.getFirst("X-Pay-Mode"))) throw new Refused(403, "wrong X-Pay-Mode"); // a free test payment for real goods
        Map<String, Order> orders = load();
        if (path.startsWith("/internal/pay/orders/")) {
            Order o = orders.get(path.substring("/internal/pay/orders/".length()));
            if (o == null) throw new Refused(404, "no such order");
            String status = o.state.equals("unpaid") ? "payable" : o.state.equals("paid") ? "paid" : "closed";
            return Json.write("order_no", o.no, "amount", o.total, "subject", o.title, "openid", o.openid, "status", status, "fulfilled", o.shipped);
        }
        Json.Reader event = new Json.Reader(body);
        String charge = event.text("data.object.charge"), type = event.text("type");
        long amount = event.number("data.object.amount");
        Order o = orders.get(no);
        if (o != null && Arrays.asList(o.events.split(" ")).contains(id)) return "success"; // it was told before
        if (type.equals("charge.succeeded") && (o == null || !o.charge.equals(event.text("data.object.id")))) {
            if (o == null || !o.state.equals("unpaid") || o.total != amount) throw new Refused(409, "no order to be paid at this price");
            o.state = "paid"; o.charge = event.text("data.object.id"); o.shipped++;
        } else if (type.equals("refund.succeeded") && o != null && o.charge.equals(charge)) {
            if ((o.refunded += amount) >= o.total) o.state = "refunded";
        }
        if (o != null) o.events += id + " ";
        save(orders);
        return "success";
    }
    // ==== payment: end ====

    static String serve(HttpExchange call, String path, String body) throws IOException {
        if (path.startsWith("/internal/pay/")) return payment(path, call.getRequestHeaders(), body);
        String openid = call.getRequestHeaders().getFirst("X-WX-OPENID"); // Caddy says who it is
        if (openid == null) throw new Refused(401, "log in");
        Map<String, Order> orders = load();
        if (call.getRequestMethod().equals("POST") && path.equals("/orders")) {
            String[] product = GOODS.get(new Json.Reader(body).text("product"));
            if (product == null) throw new Refused(404, "choose tea or cup");
            Order o = new Order();
            o.no = new java.text.SimpleDateFormat("yyyyMMddHHmmss").format(new Date()) + (100000 + new Random().nextInt(900000));
            o.title = product[0]; o.total = Long.parseLong(product[1]); o.openid = openid;
            orders.put(o.no, o);
            save(orders);
            return Json.write("order_no", o.no);
        }
        Order o = orders.get(path.replace("/orders/", ""));
        if (o == null || !o.openid.equals(openid)) throw new Refused(404, "no such order");
        return Json.write("order_no", o.no, "title", o.title, "total", o.total, "state", o.state);
    }

    /** handle answers one request at a time: nothing else happens to the orders meanwhile. */
    static synchronized void handle(HttpExchange call) throws IOException {
        int status = call.getRequestMethod().equals("POST") && call.getRequestURI().getPath().equals("/orders") ? 201 : 200;
        String answer;
        try {
            answer = serve(call, call.getRequestURI().getPath(), new String(call.getRequestBody().readAllBytes(), StandardCharsets.UTF_8));
        } catch (Refused e) {
            status = e.status;
            answer = e.getMessage();
        } catch (IOException | RuntimeException | StackOverflowError e) { // nothing is saved then
            e.printStackTrace();
            status = 500;
            answer = "error";
        }
        byte[] bytes = answer.getBytes(StandardCharsets.UTF_8);
        call.getResponseHeaders().set("Content-Type", answer.startsWith("{") ? "application/json" : "text/plain");
        call.sendResponseHeaders(status, bytes.length);
        call.getResponseBody().write(bytes);
        call.close();
    }

    public static void main(String[] args) throws IOException {
        HttpServer server = HttpServer.create(new InetSocketAddress("127.0.0.1", Integer.parseInt(System.getenv().getOrDefault("PORT", "8080"))), 0);
        server.createContext("/", Shop::handle);
        server.setExecutor(Executors.newFixedThreadPool(8));
        server.start();
    }

    /** Json is what an old shop has a library for. */
    static final class Json {
        static String write(Object... namesAndValues) {
            StringBuilder b = new StringBuilder();
            for (int i = 0; i < namesAndValues.length; i += 2) {
                Object v = namesAndValues[i + 1];
                b.append(b.length() == 0 ? "{" : ",").append(quoted(namesAndValues[i])).append(':').append(v instanceof Number ? v : quoted(v));
            }
            return b.append('}').toString();
        }

        static String quoted(Object text) {
            return '"' + text.toString().replace("\\", "\\\\").replace("\"", "\\\"") + '"';
        }

        /** Reader knows the texts and numbers of a document by their paths, like data.object.id. */
        static final class Reader {
            private final String s;
            private int i;
            private final Map<String, String> values = new HashMap<>();

            Reader(String text) {
                s = text;
                value("");
                if (next() != 0) throw new IllegalArgumentException("more than one value");
            }

            String text(String path) {
                return values.getOrDefault(path, "");
            }

            long number(String path) {
                return values.containsKey(path) ? Long.parseLong(values.get(path)) : 0;
            }

            private char next() {
                while (i < s.length() && Character.isWhitespace(s.charAt(i))) i++;
                return i < s.length() ? s.charAt(i) : 0;
            }

            private void expect(char c) {
                if (next() != c) throw new IllegalArgumentException("no " + c + " at " + i);
                i++;
            }

            private void value(String path) {
                char c = next();
                if (c == '{' || c == '[') {
                    i++;
                    for (int n = 0; next() != (c == '{' ? '}' : ']'); n++) {
                        if (n > 0) expect(',');
                        String name = "" + n;
                        if (c == '{') {
                            name = string();
                            expect(':');
                        }
                        value(path.isEmpty() ? name : path + "." + name);
                    }
                    i++;
                } else if (c == '"') {
                    values.put(path, string());
                } else {
                    int start = i;
                    while (i < s.length() && "+-.0123456789aeflnrstuE".indexOf(s.charAt(i)) >= 0) i++;
                    if (i == start) throw new IllegalArgumentException("no value at " + i);
                    values.put(path, s.substring(start, i));
                }
            }

            private String string() {
                expect('"');
                StringBuilder b = new StringBuilder();
                for (; s.charAt(i) != '"'; i++) {
                    char c = s.charAt(i);
                    if (c == '\\') {
                        c = s.charAt(++i);
                        int known = "nrtbf".indexOf(c);
                        if (known >= 0) c = "\n\r\t\b\f".charAt(known);
                        if (c == 'u') {
                            c = (char) Integer.parseInt(s.substring(i + 1, i + 5), 16);
                            i += 4;
                        }
                    }
                    b.append(c);
                }
                i++;
                return b.toString();
            }
        }
    }
}
