package payment

import (
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/caddypay/caddypay/handlers/backend"
)

// Times that a backend can mean, in Unix seconds: what lies outside is no time, or in another unit.
var (
	firstTime = time.Date(2001, 1, 1, 0, 0, 0, 0, time.UTC).Unix()
	lastTime  = time.Date(2100, 1, 1, 0, 0, 0, 0, time.UTC).Unix()
)

// time reads Unix seconds. 0 is how PHP says none.
func (a *answered) time(name string) (time.Time, error) {
	v := a.get(name)
	if v == nil {
		return time.Time{}, nil
	}
	text := string(v)
	if _, own := a.paths[name]; own && v[0] == '"' {
		if text, _ = a.text(name); text == "" {
			return time.Time{}, nil
		}
	}
	if text == "0" {
		return time.Time{}, nil
	}
	if seconds, ok := unixSeconds(text); ok && wholeNumber.MatchString(text) {
		return time.Unix(seconds, 0), nil
	}
	return time.Time{}, fmt.Errorf("%s must be Unix seconds between 2001 and 2100, like 1790003600, or 0 or null for none; it is %s%s",
		a.where(name), backend.Excerpt(v, 40), timeLike(strings.Trim(string(v), `"`)))
}

// unixSeconds reads a number of seconds that can be a time.
func unixSeconds(text string) (int64, bool) {
	seconds, err := strconv.ParseInt(text, 10, 64)
	return seconds, err == nil && seconds >= firstTime && seconds < lastTime
}

var (
	allDigits   = regexp.MustCompile(`^[0-9]+$`)
	fraction    = regexp.MustCompile(`^[0-9]+(\.[0-9]+)?([eE][+-]?[0-9]+)?$`)
	writtenDate = regexp.MustCompile(`^[0-9]{1,4}[-/.年][0-9]{1,2}[-/.月][0-9]{1,4}`)
)

// timeLike says what something that is no time looks like, and what to write in its place.
func timeLike(text string) string {
	if _, ok := unixSeconds(text); ok {
		return ", a number as text: write it without quotes, or give time_expire a path"
	}
	for unit, digits := range map[string]int{"milliseconds: divide them by 1000": 3, "microseconds: divide them by 1000000": 6, "nanoseconds: divide them by 1000000000": 9} {
		if cut := len(text) - digits; cut > 0 && allDigits.MatchString(text) {
			if _, ok := unixSeconds(text[:cut]); ok {
				return ", which looks like " + unit
			}
		}
	}
	for _, layout := range []string{"20060102150405", "200601021504", "20060102"} {
		if day, err := time.Parse(layout, text); err == nil {
			if _, ok := unixSeconds(strconv.FormatInt(day.Unix(), 10)); ok {
				return day.Format(", which looks like the date 2006-01-02 15:04:05 in digits: write its Unix seconds")
			}
		}
	}
	switch {
	case writtenDate.MatchString(text):
		return ", which looks like a date: write its Unix seconds"
	case allDigits.MatchString(text) && len(text) < 10:
		return ", which looks like a duration: add the time of now, in Unix seconds"
	case fraction.MatchString(text):
		return ", which is no whole number"
	}
	return ""
}
