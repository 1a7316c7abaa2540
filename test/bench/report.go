package main

import (
	"encoding/json"
	"fmt"
	"io"
	"math"
	"os"
	"runtime"
	"slices"
	"text/tabwriter"
	"time"
)

// row is one figure.
type row struct {
	Figure        string  `json:"figure"`
	Value         float64 `json:"value"`
	Unit          string  `json:"unit"` // /s, ms, MB or none
	Reference     float64 `json:"reference,omitempty"`
	ReferenceName string  `json:"reference_name,omitempty"`
	Ratio         float64 `json:"ratio,omitempty"` // the median of the rounds' own ratios
	Least         float64 `json:"least,omitempty"` // of the rounds, their ratios where there is a reference, else their values
	Most          float64 `json:"most,omitempty"`
	Target        string  `json:"target,omitempty"`
	Met           *bool   `json:"met,omitempty"`
	Note          string  `json:"note,omitempty"`
}

// target is a bound that the design sets, on the ratio or, without a reference, on the value.
type target struct {
	least, most float64 // 0: no such bound
}

func (t target) met(v float64) bool { return v >= t.least && (t.most == 0 || v <= t.most) }

func (t target) text(unit string) string {
	switch {
	case t.least > 0:
		return fmt.Sprintf("≥ %g%s", t.least, unit)
	case t.most > 0:
		return fmt.Sprintf("≤ %g%s", t.most, unit)
	}
	return ""
}

// report collects the rows.
type report struct {
	rows []row
	out  io.Writer
}

// compare adds a row with a reference, from the values of each round.
func (r *report) compare(figure string, values []float64, unit, name string, references []float64, t target, note string) {
	x := row{Figure: figure, Value: median(values), Unit: unit, Reference: median(references), ReferenceName: name, Target: t.text(""), Note: note}
	x.Ratio, x.Least, x.Most = spread(ratios(values, references))
	r.add(x, t.met(x.Ratio))
}

// plain adds a row that stands for itself.
func (r *report) plain(figure string, values []float64, unit string, t target, note string) {
	x := row{Figure: figure, Unit: unit, Target: t.text(" " + unit), Note: note}
	x.Value, x.Least, x.Most = spread(values)
	r.add(x, t.met(x.Value))
}

func (r *report) add(x row, met bool) {
	if x.Target != "" {
		x.Met = &met
	}
	r.rows = append(r.rows, x)
}

// table prints the rows.
func (r *report) table() {
	w := tabwriter.NewWriter(r.out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "figure\tvalue\treference\tratio\trounds\ttarget\t\t")
	for _, x := range r.rows {
		reference, ratio, rounds, mark := "", "", "", ""
		if x.ReferenceName != "" {
			reference = fmt.Sprintf("%s %s", amount(x.Reference, x.Unit), x.ReferenceName)
			ratio = fmt.Sprintf("%.2f", x.Ratio)
		}
		if x.Least < x.Most {
			rounds = fmt.Sprintf("%.*f–%.*f", digits(x.Least), x.Least, digits(x.Most), x.Most)
		}
		if x.Met != nil {
			mark = "✗"
			if *x.Met {
				mark = "✓"
			}
		}
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\t%s\t%s\t%s\n", x.Figure, amount(x.Value, x.Unit), reference, ratio, rounds, x.Target, mark, x.Note)
	}
	_ = w.Flush()
}

func amount(v float64, unit string) string {
	switch {
	case unit == "/s":
		return fmt.Sprintf("%.0f/s", v)
	case unit == "":
		return fmt.Sprintf("%.2f", v)
	}
	return fmt.Sprintf("%.*f %s", digits(v), v, unit)
}

func digits(v float64) int {
	if v < 10 {
		return 2
	}
	return 0
}

// lines adds the rows to a file, one JSON object a line, each with what it was measured on.
func (r *report) lines(file string, at time.Time, s settings) error {
	f, err := os.OpenFile(file, os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o644)
	if err != nil {
		return err
	}
	enc := json.NewEncoder(f)
	enc.SetEscapeHTML(false)
	for _, x := range r.rows {
		line := struct {
			Time    string  `json:"time"`
			Go      string  `json:"go"`
			CPUs    int     `json:"cpus"`
			Seconds float64 `json:"seconds"` // BENCH_TIME
			Rows    int     `json:"rows"`    // BENCH_ROWS
			row
		}{at.UTC().Format(time.RFC3339), runtime.Version(), runtime.NumCPU(), s.time.Seconds(), s.rows, x}
		if err := enc.Encode(line); err != nil {
			_ = f.Close()
			return err
		}
	}
	return f.Close()
}

func median(values []float64) float64 {
	if len(values) == 0 {
		return 0
	}
	sorted := slices.Sorted(slices.Values(values))
	half := len(sorted) / 2
	if len(sorted)%2 == 0 {
		return (sorted[half-1] + sorted[half]) / 2
	}
	return sorted[half]
}

// ratios divides what was measured in the same round.
func ratios(values, references []float64) []float64 {
	var all []float64
	for i := range values {
		if references[i] > 0 {
			all = append(all, values[i]/references[i])
		}
	}
	return all
}

// spread is the middle of some values, and what lies furthest from it.
func spread(values []float64) (middle, least, most float64) {
	if len(values) == 0 {
		return 0, 0, 0
	}
	return median(values), slices.Min(values), slices.Max(values)
}

// quantile returns milliseconds.
func quantile(took []time.Duration, q float64) float64 {
	if len(took) == 0 {
		return 0
	}
	sorted := slices.Sorted(slices.Values(took))
	i := min(len(sorted)-1, int(math.Ceil(q*float64(len(sorted))))-1)
	return float64(sorted[max(0, i)]) / float64(time.Millisecond)
}

func megabytes(bytes int64) float64 { return float64(bytes) / (1 << 20) }
