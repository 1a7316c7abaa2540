// Calls the snippet of docs/backend-frameworks.md as Spring would, over a table that knows its statements, and prints what came of each call.
import com.fasterxml.jackson.databind.JsonNode;
import java.util.*;
import org.springframework.jdbc.core.JdbcTemplate;

public class Main {
    static final String TOKEN = "token-Mark-0123456789abcdefghijkl", NO = "20260101001";
    static String state = "payable", charge;
    static int shipments;

    static final class Table extends JdbcTemplate {
        @Override
        public List<Map<String, Object>> queryForList(String sql, Object... args) {
            switch (sql) {
                case "SELECT order_no, total, title, openid, state FROM orders WHERE order_no = ?":
                    Map<String, Object> row = new LinkedHashMap<>(Map.of("order_no", NO, "total", 1999L, "state", state));
                    return args[0].equals(NO) ? List.of(row) : List.of();
                case "SELECT 1 FROM orders WHERE order_no = ? AND charge = ?":
                    return args[0].equals(NO) && args[1].equals(charge) ? List.of(Map.of("1", 1)) : List.of();
            }
            throw new IllegalArgumentException(sql);
        }

        @Override
        public int update(String sql, Object... args) {
            switch (sql) {
                case "UPDATE orders SET state = 'paid', charge = ? WHERE order_no = ? AND total = ? AND state = 'payable'":
                    if (!args[1].equals(NO) || !args[2].equals(1999L) || !state.equals("payable")) return 0;
                    state = "paid";
                    charge = (String) args[0];
                    return 1;
                case "INSERT INTO shipments (order_no) VALUES (?)":
                    shipments++;
                    return 1;
            }
            throw new IllegalArgumentException(sql);
        }
    }

    static final class Node extends JsonNode { // of maps
        final Object value;

        Node(Object value) {
            this.value = value;
        }

        @Override
        public JsonNode at(String pointer) {
            JsonNode n = this;
            for (String name : pointer.substring(1).split("/")) n = n.path(name);
            return n;
        }

        @Override
        public JsonNode path(String name) {
            return new Node(value instanceof Map ? ((Map<?, ?>) value).get(name) : null);
        }

        @Override
        public String asText() {
            return value == null ? "" : value.toString();
        }

        @Override
        public long asLong() {
            return value instanceof Number ? ((Number) value).longValue() : 0;
        }
    }

    static void print(String what, java.util.concurrent.Callable<Object> call) {
        Object result;
        try {
            result = call.call();
        } catch (Exception e) {
            result = e.getMessage();
        }
        System.out.println(what + ": " + result + ", " + state + ", shipments " + shipments);
    }

    static JsonNode event(String id, long amount) {
        return new Node(Map.of("data", Map.of("object", Map.of("id", id, "amount", amount))));
    }

    public static void main(String[] args) {
        PayController pay = new PayController(new Table(), TOKEN, "test");
        print("guard", () -> { pay.guard(TOKEN, "test"); return "passes"; });
        print("another token", () -> { pay.guard("x".repeat(33), "test"); return "passes"; });
        print("no token", () -> { pay.guard("", "test"); return "passes"; });
        print("another mode", () -> { pay.guard(TOKEN, "live"); return "passes"; });
        print("no token of the shop's own", () -> { new PayController(new Table(), "", "test").guard("", "test"); return "passes"; });
        print("quote", () -> pay.quote(NO).get("total"));
        print("no such order", () -> pay.quote("x"));
        print("another amount", () -> pay.event("charge.succeeded", NO, event("ch_1", 1)));
        print("payment of no order", () -> pay.event("charge.succeeded", "x", event("ch_1", 1999)));
        print("payment", () -> pay.event("charge.succeeded", NO, event("ch_1", 1999)));
        print("the same again", () -> pay.event("charge.succeeded", NO, event("ch_1", 1999)));
        print("a second payment", () -> pay.event("charge.succeeded", NO, event("ch_2", 1999)));
        print("refund", () -> pay.event("refund.succeeded", NO, event("re_1", 1999)));
    }
}
