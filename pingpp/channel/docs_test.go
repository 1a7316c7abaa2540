package channel

import (
	"flag"
	"fmt"
	"maps"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"
)

var update = flag.Bool("update", false, "write the tables of docs/channels*.md; read the diff")

// words are what the tables of the reference page say, in one language.
type words struct {
	page                        string
	rules, extra                string // the heads of the two tables
	characters, bytes, noEmoji  string
	comma, any, nobody, yes, no string
	charge, none                string // how long a credential lives: as its charge; there is none
	source                      [fromSession + 1]string
	units                       [3]string // day, hour, minute
	name                        func(Channel) string
	form                        func(form) string
}

var pages = []words{{
	page:       "../../docs/channels.md",
	rules:      "| channel | | `order_no` | subject | body | `time_expire` ahead, default | credential lives | currency | login |\n|---|---|---|---|---|---|---|---|---|\n",
	extra:      "| channel | member of `extra` | value | required | who gives it |\n|---|---|---|---|---|\n",
	characters: "characters", bytes: "bytes", noEmoji: ", no emoji", comma: ", ", any: "any; the quote names it", nobody: "none", yes: "yes", no: "", charge: "as the charge", none: "none",
	source: [...]string{"the quote", "the quote, else the option `%s`", "the quote, else the client", "the quote, else the order number", "the session"},
	units:  [...]string{"d", "h", "min"},
	name:   func(c Channel) string { return c.EN },
	form:   func(f form) string { return f.en },
}, {
	page:       "../../docs/channels.zh-CN.md",
	rules:      "| 渠道 | | `order_no` | subject | body | `time_expire` 范围，默认 | 凭据有效期 | 货币 | 登录 |\n|---|---|---|---|---|---|---|---|---|\n",
	extra:      "| 渠道 | `extra` 字段 | 取值 | 必填 | 由谁提供 |\n|---|---|---|---|---|\n",
	characters: "个字符", bytes: "字节", noEmoji: "，不含 emoji", comma: "，", any: "不限，由报价给出", nobody: "不需要", yes: "是", no: "", charge: "同支付单", none: "无",
	source: [...]string{"报价", "报价，否则配置项 `%s`", "报价，否则客户端", "报价，否则订单号", "会话"},
	units:  [...]string{" 天", " 小时", " 分钟"},
	name:   func(c Channel) string { return c.ZH },
	form:   func(f form) string { return f.zh },
}}

func (w *words) limit(l Limit, c Channel) string {
	unit, emoji := w.characters, ""
	if l.Bytes {
		unit = w.bytes
	}
	if c.NoEmoji {
		emoji = w.noEmoji
	}
	return fmt.Sprintf("%d %s%s", l.Most, unit, emoji)
}

func (w *words) duration(d time.Duration) string {
	for i, unit := range []time.Duration{day, time.Hour} {
		if d%unit == 0 && (d > unit || unit == time.Hour || d == day) {
			return strconv.Itoa(int(d/unit)) + w.units[i]
		}
	}
	return strconv.Itoa(int(d/time.Minute)) + w.units[2]
}

// tables writes the two tables of the reference page.
func (w *words) tables() string {
	var b strings.Builder
	b.WriteString(w.rules)
	names := slices.Sorted(maps.Keys(table))
	for _, name := range names {
		c := table[name]
		currency, payer := strings.Join(c.currencies(), w.comma), w.nobody
		if currency == "" {
			currency = w.any
		}
		if c.Payer != "" {
			payer = "`" + c.Payer + "`"
		}
		title, life := w.name(c), w.charge
		if c.inferred {
			title += " †"
		}
		if c.AtOnce {
			life = w.none
		} else if c.CredentialLife > 0 {
			life = w.duration(c.CredentialLife)
		}
		fmt.Fprintf(&b, "| `%s` | %s | %d–%d | %s | %s | %s–%s%s%s | %s | %s | %s |\n", name, title, c.NumberMin, c.NumberMax, w.limit(c.Subject, c), w.limit(c.Body, c),
			w.duration(c.ExpireMin), w.duration(c.ExpireMax), w.comma, w.duration(c.ExpireDefault), life, currency, payer)
	}
	b.WriteString("\n" + w.extra)
	for _, name := range names {
		for _, k := range table[name].extra {
			required := w.no
			if k.required {
				required = w.yes
			}
			source := strings.ReplaceAll(w.source[k.from], "%s", k.name)
			fmt.Fprintf(&b, "| `%s` | `%s` | %s | %s | %s |\n", name, k.name, w.form(k.form), required, source)
		}
	}
	return b.String()
}

const (
	tableBegin = "<!-- The tables are made from the code: go test ./pingpp/channel -run TestChannelDocs -update -->\n"
	tableEnd   = "<!-- end of the tables -->\n"
)

// The reference page says what the code does.
func TestChannelDocs(t *testing.T) {
	for _, w := range pages {
		t.Run(w.page, func(t *testing.T) {
			raw, err := os.ReadFile(w.page)
			if err != nil {
				t.Fatal(err)
			}
			head, rest, ok := strings.Cut(string(raw), tableBegin)
			have, tail, ok2 := strings.Cut(rest, tableEnd)
			if !ok || !ok2 {
				t.Fatalf("the marks of the tables are not there: %q … %q", tableBegin, tableEnd)
			}
			want := "\n" + w.tables() + "\n"
			if *update {
				if err := os.WriteFile(w.page, []byte(head+tableBegin+want+tableEnd+tail), 0o644); err != nil {
					t.Fatal(err)
				}
				return
			}
			if have != want {
				t.Errorf("the tables are not what the code does; run: go test ./pingpp/channel -run TestChannelDocs -update")
			}
		})
	}
}
