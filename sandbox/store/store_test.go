package store

import (
	"fmt"
	"slices"
	"strconv"
	"testing"
)

func TestForgetsTheOldest(t *testing.T) {
	var st Of[int]
	evicted := 0
	for i := range Max + 10 {
		evicted += len(st.Add(fmt.Sprint(i), i))
	}
	if _, ok := st.Get("9"); ok || evicted != 10 || len(st.byID) != Max {
		t.Errorf("%d evicted, %d kept, the oldest still there: %v", evicted, len(st.byID), ok)
	}
	if evicted := st.Add("20", -20); evicted != nil {
		t.Errorf("replacing one evicted %v", evicted)
	}
	for id, want := range map[string][]int{"9": nil, "10": nil, "13": {12, 11, 10}, "22": {21, -20, 19}} {
		var got []int
		for v := range st.Older(id) {
			if got = append(got, v); len(got) == 3 {
				break
			}
		}
		if id == "9" { // gone: like none
			want = []int{Max + 9, Max + 8, Max + 7}
		}
		if !slices.Equal(got, want) {
			t.Errorf("older than %s: %v, want %v", id, got, want)
		}
	}
	newest := strconv.Itoa(Max + 7)
	if got := slices.Collect(st.Newer(newest)); !slices.Equal(got, []int{Max + 8, Max + 9}) {
		t.Errorf("newer than %s: %v", newest, got)
	}
}
