package test

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// samples are the values of a scrape, by their series.
type samples map[string]float64

// readSamples reads those of ours out of the text that Prometheus gets; histograms' buckets are left out.
func readSamples(t testing.TB, text string) samples {
	t.Helper()
	s := make(samples)
	for line := range strings.Lines(text) {
		series, value, ok := cutLast(strings.TrimSpace(line), " ")
		if !ok || !strings.HasPrefix(series, "caddy_pay_") || strings.Contains(series, "_bucket{") {
			continue
		}
		v, err := strconv.ParseFloat(value, 64)
		if err != nil {
			t.Fatalf("%v in the line %s", err, line)
		}
		s[series] = v
	}
	if len(s) == 0 {
		t.Fatalf("there are no metrics of ours:\n%.2000s", text)
	}
	return s
}

func cutLast(text, sep string) (before, after string, ok bool) {
	i := strings.LastIndex(text, sep)
	if i < 0 {
		return text, "", false
	}
	return text[:i], text[i+len(sep):], true
}

// promtoolSeries writes scrapes as promtool's input series, each held for so many minutes, in which what has an age grows older.
func promtoolSeries(minutes int, scrapes ...samples) string {
	all := make(map[string]bool)
	for _, s := range scrapes {
		for series := range s {
			all[series] = true
		}
	}
	var b strings.Builder
	for _, series := range slices.Sorted(maps.Keys(all)) {
		fmt.Fprintf(&b, "  - series: '%s'\n    values: '", series)
		for _, s := range scrapes {
			v, ok := s[series]
			switch {
			case !ok:
				fmt.Fprintf(&b, "_x%d ", minutes)
			case v > 0 && strings.HasPrefix(series, "caddy_pay_oldest_"):
				fmt.Fprintf(&b, "%s+60x%d ", strconv.FormatFloat(v, 'f', -1, 64), minutes-1)
			default:
				fmt.Fprintf(&b, "%sx%d ", strconv.FormatFloat(v, 'f', -1, 64), minutes-1)
			}
		}
		b.WriteString("'\n")
	}
	return b.String()
}
