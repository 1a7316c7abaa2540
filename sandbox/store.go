package sandbox

import "iter"

// store keeps objects by id in the order they came, the newest maxKept of them.
type store[T any] struct {
	byID map[string]int // how many objects came before it
	kept []stored[T]    // oldest first
	gone int            // evicted
}

type stored[T any] struct {
	id string
	v  T
}

// add keeps v and returns the objects that had to go for it.
func (st *store[T]) add(id string, v T) (evicted []T) {
	if st.byID == nil {
		st.byID = map[string]int{}
	}
	if i, ok := st.byID[id]; ok {
		st.kept[i-st.gone].v = v
		return nil
	}
	st.byID[id] = st.gone + len(st.kept)
	st.kept = append(st.kept, stored[T]{id, v})
	for len(st.kept) > maxKept {
		old := st.kept[0]
		st.kept[0] = stored[T]{}
		st.kept, st.gone = st.kept[1:], st.gone+1
		evicted = append(evicted, old.v)
		delete(st.byID, old.id)
	}
	return evicted
}

func (st *store[T]) get(id string) (v T, ok bool) {
	i, ok := st.byID[id]
	if !ok {
		return v, false
	}
	return st.kept[i-st.gone].v, true
}

func (st *store[T]) has(id string) bool {
	_, ok := st.byID[id]
	return ok
}

// older goes from the object before the one with the id, or from the newest if there is none such, to the oldest.
func (st *store[T]) older(id string) iter.Seq[T] {
	return func(yield func(T) bool) {
		from, ok := st.byID[id]
		if !ok {
			from = st.gone + len(st.kept)
		}
		for i := from - st.gone - 1; i >= 0 && yield(st.kept[i].v); i-- {
		}
	}
}

// newer goes from the object after the one with the id, or from the oldest if there is none such, to the newest.
func (st *store[T]) newer(id string) iter.Seq[T] {
	return func(yield func(T) bool) {
		from, ok := st.byID[id]
		if !ok {
			from = st.gone - 1
		}
		for i := from - st.gone + 1; i < len(st.kept) && yield(st.kept[i].v); i++ {
		}
	}
}

// newest goes from the newest object to the oldest.
func (st *store[T]) newest() iter.Seq[T] { return st.older("") }
