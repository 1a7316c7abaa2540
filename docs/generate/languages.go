package main

import (
	"crypto/sha256"
	_ "embed"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
)

// language is what the reference says besides the comments.
type language struct {
	reference      string // its page
	intro          string
	titles         map[string]string
	module         string
	head           string
	upstream       string
	kinds          map[string]string
	arrayOf, mapOf string
}

// kind is what a member is in JSON, in words.
func (l language) kind(kind string) string {
	if of, ok := strings.CutPrefix(kind, "array of "); ok {
		return fmt.Sprintf(l.arrayOf, l.kind(of))
	}
	if of, ok := strings.CutPrefix(kind, "object of "); ok {
		return fmt.Sprintf(l.mapOf, l.kind(of))
	}
	return l.kinds[kind]
}

var languages = map[string]language{
	"en": {
		reference: "docs/caddyfile.md",
		intro: `# Caddyfile and JSON

[中文](caddyfile.zh-CN.md)

Every option, with its meaning, unit and default. This page is made from the comments of the source by ` + "`make docs`" + `; [Caddyfile.example](../Caddyfile.example) shows all options at work.

An option has the same name in JSON, where a block is an object; ` + "`caddy adapt`" + ` prints what a Caddyfile becomes. Values take Caddy's placeholders where it says so, like ` + "`{env.PINGPP_KEY}`" + ` and ` + "`{file./run/secrets/key}`" + `; they stay placeholders in the configuration, and one that resolves to nothing is an error that names the site and the option. An unknown option, one that stands twice, and two that exclude each other are errors with file and line. Amounts are in fen, durations like ` + "`30s`, `15m`, `2h`, `400d`" + `, in JSON also in nanoseconds. In the syntax, ` + "`[ ]`" + ` may be left out, ` + "`...`" + ` may be repeated, and ` + "`|`" + ` is one or the other.
`,
		titles: map[string]string{"global": "The global option `pay`", "pay": "The directive `pay`", "wechat_auth": "The directive `wechat_auth`", "pay_paid": "The matcher `pay_paid`",
			"pay_console": "The directive `pay_console`", "pay_sandbox": "The directive `pay_sandbox`", "json": "`expect json`", "auto": "`shipping auto`"},
		module: "In JSON it is the module `%s`.",
		head:   "| option | JSON | |",
		upstream: "`upstream` is how the backend is reached: what stands behind it, and its block, are exactly those of [`reverse_proxy`](https://caddyserver.com/docs/caddyfile/directives/reverse_proxy), " +
			"and in JSON it is a `reverse_proxy` handler. For php-fpm, `transport fastcgi` is needed: [backend.md](backend.md#php-fpm).",
		kinds:   map[string]string{"string": "string", "bool": "true, false", "number": "number", "duration": "duration", "object": "object", "module": "handler"},
		arrayOf: "array: %s", mapOf: "object, each: %s",
	},
	"zh": {
		reference: "docs/caddyfile.zh-CN.md",
		intro: `# Caddyfile 与 JSON 参考

[English](caddyfile.md)

全部选项的含义、单位和默认值。本页由 ` + "`make docs`" + ` 根据源码注释生成；[Caddyfile.example](../Caddyfile.example) 演示了所有选项的用法。

选项在 JSON 中同名，块即对象；` + "`caddy adapt`" + ` 会打印 Caddyfile 转换后的结果。注明支持占位符的值可以写 Caddy 占位符，例如 ` + "`{env.PINGPP_KEY}`、`{file./run/secrets/key}`" + `：它们在配置中保持原样，解析结果为空时报错并写明站点与选项。未知选项、重复选项、互斥选项都会报错，并带文件名与行号。金额单位为分；时长写作 ` + "`30s`、`15m`、`2h`、`400d`" + `，JSON 中也可以写纳秒数。语法中 ` + "`[ ]`" + ` 表示可省略，` + "`...`" + ` 表示可重复，` + "`|`" + ` 表示任选其一。
`,
		titles: map[string]string{"global": "全局选项 `pay`", "pay": "指令 `pay`", "wechat_auth": "指令 `wechat_auth`", "pay_paid": "匹配器 `pay_paid`",
			"pay_console": "指令 `pay_console`", "pay_sandbox": "指令 `pay_sandbox`", "json": "`expect json`", "auto": "`shipping auto`"},
		module: "JSON 中的模块名为 `%s`。",
		head:   "| 选项 | JSON | 说明 |",
		upstream: "`upstream` 决定怎样访问后端：其后的内容和块与 [`reverse_proxy`](https://caddyserver.com/docs/caddyfile/directives/reverse_proxy) 完全一致，" +
			"JSON 中就是一个 `reverse_proxy` 处理器。php-fpm 需要 `transport fastcgi`，见 [backend.zh-CN.md](backend.zh-CN.md#php-fpm)。",
		kinds:   map[string]string{"string": "字符串", "bool": "true、false", "number": "数字", "duration": "时长", "object": "对象", "module": "处理器"},
		arrayOf: "数组：%s", mapOf: "对象，每项为%s",
	},
}

// chinese has the translation of each comment, and of which English text it is.
//
//go:embed zh.json
var chinese []byte

type translation struct {
	Of string `json:"of"` // the first digits of the SHA-256 of the English text
	ZH string `json:"zh"`
}

// sayer translates what the comments say, and finds translations that are missing, stale or of nothing.
type sayer struct {
	table    map[string]translation // nil: English
	said     map[string]bool
	problems []error
}

func newSayer(language string) *sayer {
	s := &sayer{said: map[string]bool{}}
	if language == "zh" {
		if err := json.Unmarshal(chinese, &s.table); err != nil {
			s.problems = append(s.problems, fmt.Errorf("docs/generate/zh.json: %w", err))
		}
	}
	return s
}

func digest(text string) string {
	sum := sha256.Sum256([]byte(text))
	return hex.EncodeToString(sum[:6])
}

func (s *sayer) of(key, english string) string {
	s.said[key] = true
	if s.table == nil {
		return english
	}
	switch got, ok := s.table[key]; {
	case !ok:
		s.problems = append(s.problems, fmt.Errorf("docs/generate/zh.json: %q is not translated; add {\"of\": %q, \"zh\": …} for: %s", key, digest(english), english))
	case got.Of != digest(english):
		s.problems = append(s.problems, fmt.Errorf("docs/generate/zh.json: the translation of %q is stale; look at it again, and write \"of\": %q, for: %s", key, digest(english), english))
	default:
		return got.ZH
	}
	return ""
}

func (s *sayer) err() error {
	for _, key := range slices.Sorted(maps.Keys(s.table)) {
		if !s.said[key] {
			s.problems = append(s.problems, fmt.Errorf("docs/generate/zh.json: %q is no option any more", key))
		}
	}
	return errors.Join(s.problems...)
}
