package router

import "strings"

// PlansOf counts the kept plans of operations by name.
func PlansOf(rt *Router, name string) int {
	c := rt.ops.plans
	c.mu.Lock()
	defer c.mu.Unlock()
	n := 0
	for e := c.order.Front(); e != nil; e = e.Next() {
		if p, ok := e.Value.(*entry[*prepared]); ok && strings.EqualFold(p.value.name, name) {
			n++
		}
	}
	return n
}

// KeptPlans counts all kept plans.
func KeptPlans(rt *Router) int { return rt.Plans() }

// OpenStreams counts open connections and event streams.
func OpenStreams(rt *Router) int { return rt.streams.count() }

// CheckDocument parses and measures a document as a request's is.
func CheckDocument(text string) error {
	l := Limits{}.withDefaults()
	doc, rejected := parseDocument(text, l)
	if rejected != nil {
		return rejected
	}
	if _, rejected := checkLimits(doc, l); rejected != nil {
		return rejected
	}
	return nil
}
