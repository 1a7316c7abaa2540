// Package store remembers what an emulated service has made, in order and within bounds.
package store

import "iter"

// Max is how many objects an [Of] keeps.
const Max = 100_000

// Of keeps objects by id in the order they came, the newest Max of them. Its zero value is empty. It is not safe for concurrent use.
type Of[T any] struct {
	byID map[string]int // how many objects came before it
	kept []stored[T]    // oldest first
	gone int            // evicted
}

type stored[T any] struct {
	id string
	v  T
}

// Add keeps v and returns the objects that had to go for it.
func (st *Of[T]) Add(id string, v T) (evicted []T) {
	if st.byID == nil {
		st.byID = map[string]int{}
	}
	if i, ok := st.byID[id]; ok {
		st.kept[i-st.gone].v = v
		return nil
	}
	st.byID[id] = st.gone + len(st.kept)
	st.kept = append(st.kept, stored[T]{id, v})
	for len(st.kept) > Max {
		old := st.kept[0]
		st.kept[0] = stored[T]{}
		st.kept, st.gone = st.kept[1:], st.gone+1
		evicted = append(evicted, old.v)
		delete(st.byID, old.id)
	}
	return evicted
}

// Get finds an object.
func (st *Of[T]) Get(id string) (v T, ok bool) {
	i, ok := st.byID[id]
	if !ok {
		return v, false
	}
	return st.kept[i-st.gone].v, true
}

// Has reports whether there is one with the id.
func (st *Of[T]) Has(id string) bool {
	_, ok := st.byID[id]
	return ok
}

// Older goes from the object before the one with the id, or from the newest if there is none such, to the oldest.
func (st *Of[T]) Older(id string) iter.Seq[T] {
	return func(yield func(T) bool) {
		from, ok := st.byID[id]
		if !ok {
			from = st.gone + len(st.kept)
		}
		for i := from - st.gone - 1; i >= 0 && yield(st.kept[i].v); i-- {
		}
	}
}

// Newer goes from the object after the one with the id, or from the oldest if there is none such, to the newest.
func (st *Of[T]) Newer(id string) iter.Seq[T] {
	return func(yield func(T) bool) {
		from, ok := st.byID[id]
		if !ok {
			from = st.gone - 1
		}
		for i := from - st.gone + 1; i < len(st.kept) && yield(st.kept[i].v); i++ {
		}
	}
}

// Newest goes from the newest object to the oldest.
func (st *Of[T]) Newest() iter.Seq[T] { return st.Older("") }
