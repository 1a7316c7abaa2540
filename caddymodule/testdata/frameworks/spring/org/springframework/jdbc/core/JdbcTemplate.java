// As much of Spring as the snippet of docs/backend-frameworks.md uses.
package org.springframework.jdbc.core;

import java.util.List;
import java.util.Map;

public abstract class JdbcTemplate {
    public abstract List<Map<String, Object>> queryForList(String sql, Object... args);

    public abstract int update(String sql, Object... args);
}
