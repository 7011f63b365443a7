package collectors

import (
	"encoding/binary"

	"github.com/ClickHouse/ch-go/proto"
	"github.com/ClickHouse/clickhouse-go/v2/lib/column"

	"github.com/netflixathome/cinema/internal/events"
)

// The head of a column of LowCardinality in ClickHouse's native format, which
// says that its words go with it, and how wide the numbers are that stand for them.
const (
	wordsFollow = 1<<9 | 1<<10
	byOneByte   = 0
	byFourBytes = 2
)

// words fills a column of LowCardinality(String). The client's own Append boxes
// and hashes each value of it, which was a quarter of what a batch cost here; few
// of them differ from the one before. So the column is written as the server
// would send it, each word once and a number for each row, and the client's
// column reads that.
func words(f *filler, get func(*events.Event) string) {
	if f.err != nil {
		return
	}
	c, ok := f.columns[f.n].(*column.LowCardinality)
	if !ok { // somebody made the table otherwise
		fill(f, get)
		return
	}
	// The first word stands for no value.
	list, numbers := []string{""}, map[string]uint32{"": 0}
	rows := f.numbers[:0]
	last, number := "", uint32(0)
	for i := range f.rows {
		if word := get(&f.rows[i].event); word != last {
			known := false
			if number, known = numbers[word]; !known {
				number = uint32(len(list))
				list, numbers[word] = append(list, word), number
			}
			last = word
		}
		rows = append(rows, number)
	}
	f.numbers = rows

	width := uint64(byOneByte)
	if len(list) > 1<<8 {
		width = byFourBytes
	}
	b := binary.LittleEndian.AppendUint64(f.buffer[:0], wordsFollow|width)
	b = binary.LittleEndian.AppendUint64(b, uint64(len(list)))
	for _, word := range list {
		b = append(binary.AppendUvarint(b, uint64(len(word))), word...)
	}
	b = binary.LittleEndian.AppendUint64(b, uint64(len(rows)))
	for _, number := range rows {
		if width == byOneByte {
			b = append(b, byte(number))
		} else {
			b = binary.LittleEndian.AppendUint32(b, number)
		}
	}
	f.buffer = b
	f.source.Reset(b)
	if f.reader == nil {
		f.reader = proto.NewReader(&f.source)
	}
	f.err = c.Decode(f.reader, len(rows))
	f.n++
}
