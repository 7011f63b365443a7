package ch

import (
	"testing"

	"github.com/stretchr/testify/require"
)

func TestAStatementIsToldByWhatItDoesAndToWhat(t *testing.T) {
	for query, want := range map[string][2]string{
		"INSERT INTO activity_event (\n\tid, session_id":                       {"INSERT", "activity_event"},
		"\n\t\tSELECT day, groupArray(token)\n\t\tFROM dirty_day GROUP BY day": {"SELECT", "dirty_day"},
		"select\n1": {"SELECT", ""},
		"ALTER TABLE activity_event DELETE WHERE demo":                        {"ALTER", "activity_event"},
		"INSERT INTO title_day (day) SELECT toDate(@day) FROM activity_event": {"INSERT", "title_day"},
		"": {"", ""},
	} {
		operation, collection := describe(query)
		require.Equal(t, want, [2]string{operation, collection}, query)
	}
}
