package router_test

import (
	"testing"

	"github.com/stretchr/testify/require"
)

const homePage = `query Home($locale: Locale, $first: Int = 12) {
  featured { ...card }
  continueWatching { watchState { positionMs durationMs } title { ...card } }
  popular { ...card }
  titles(first: $first, sort: ADDED, filter: {kinds: [FILM]}) { totalCount edges { cursor node { ...card ... on Film { watchState { positionMs } } } } }
  genres { id slug name(locale: $locale) }
}
fragment card on Title { __typename id name(locale: $locale) year listed }`

func TestFederatedQuery(t *testing.T) {
	h := newHouse(t, nil)
	a := h.ask(t, "viewer", homePage, map[string]any{"locale": "ru"})
	require.Equal(t, 200, a.status, a.body)
	require.Empty(t, a.Errors, a.body)
	require.JSONEq(t, `{"data":{
		"featured":{"__typename":"Film","id":"film_1","name":"Nosferatu","year":1922,"listed":true},
		"continueWatching":[{"watchState":{"positionMs":60000,"durationMs":600000},"title":{"__typename":"Film","id":"film_3","name":"Häxan","year":1922,"listed":false}}],
		"popular":[{"__typename":"Film","id":"film_2","name":"Metropolis","year":1922,"listed":false},{"__typename":"Film","id":"film_1","name":"Nosferatu","year":1922,"listed":true}],
		"titles":{"totalCount":3,"edges":[
			{"cursor":"0","node":{"__typename":"Film","id":"film_1","name":"Nosferatu","year":1922,"listed":true,"watchState":{"positionMs":1000}}},
			{"cursor":"1","node":{"__typename":"Film","id":"film_2","name":"Metropolis","year":1922,"listed":false,"watchState":{"positionMs":1000}}},
			{"cursor":"2","node":{"__typename":"Film","id":"film_3","name":"Häxan","year":1922,"listed":false,"watchState":{"positionMs":1000}}}]},
		"genres":[{"id":"genre_1","slug":"horror","name":"Horror"}]}}`, a.body)
}
