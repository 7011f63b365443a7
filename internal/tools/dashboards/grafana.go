package main

import "fmt"

// The parts of Grafana's dashboard model that the dashboards use, by their
// names there (schema version 41).

type dashboard struct {
	UID           string      `json:"uid"`
	Title         string      `json:"title"`
	Tags          []string    `json:"tags"`
	Timezone      string      `json:"timezone"`
	Editable      bool        `json:"editable"`
	SchemaVersion int         `json:"schemaVersion"`
	Refresh       string      `json:"refresh"`
	Time          timeRange   `json:"time"`
	Templating    templating  `json:"templating"`
	Links         []link      `json:"links"`
	Annotations   annotations `json:"annotations"`
	Panels        []panel     `json:"panels"`
	GraphTooltip  int         `json:"graphTooltip"`
}

type timeRange struct {
	From string `json:"from"`
	To   string `json:"to"`
}

type templating struct {
	List []variable `json:"list"`
}

type variable struct {
	Name    string   `json:"name"`
	Label   string   `json:"label"`
	Type    string   `json:"type"`
	Query   string   `json:"query"`
	Current option   `json:"current"`
	Options []option `json:"options"`
}

type option struct {
	Text     string `json:"text"`
	Value    string `json:"value"`
	Selected bool   `json:"selected"`
}

type link struct {
	Title       string   `json:"title"`
	Type        string   `json:"type"`
	Tags        []string `json:"tags"`
	AsDropdown  bool     `json:"asDropdown"`
	IncludeVars bool     `json:"includeVars"`
	KeepTime    bool     `json:"keepTime"`
}

type annotations struct {
	List []struct{} `json:"list"`
}

type panel struct {
	ID          int         `json:"id"`
	Type        string      `json:"type"`
	Title       string      `json:"title"`
	Description string      `json:"description,omitempty"`
	Datasource  source      `json:"datasource"`
	GridPos     gridPos     `json:"gridPos"`
	Targets     []target    `json:"targets"`
	FieldConfig fieldConfig `json:"fieldConfig"`
	Options     options     `json:"options"`
}

type source struct {
	Type string `json:"type"`
	UID  string `json:"uid"`
}

type gridPos struct {
	H int `json:"h"`
	W int `json:"w"`
	X int `json:"x"`
	Y int `json:"y"`
}

type target struct {
	RefID      string `json:"refId"`
	Datasource source `json:"datasource"`
	// Of Prometheus.
	Expr         string `json:"expr,omitempty"`
	LegendFormat string `json:"legendFormat,omitempty"`
	Exemplar     bool   `json:"exemplar,omitempty"`
	Instant      bool   `json:"instant,omitempty"`
	Range        bool   `json:"range,omitempty"`
	// Of ClickHouse.
	EditorType string `json:"editorType,omitempty"`
	QueryType  string `json:"queryType,omitempty"`
	RawSQL     string `json:"rawSql,omitempty"`
	Format     *int   `json:"format,omitempty"`
}

type fieldConfig struct {
	Defaults  defaults   `json:"defaults"`
	Overrides []struct{} `json:"overrides"`
}

type defaults struct {
	Unit   string  `json:"unit,omitempty"`
	Min    *int    `json:"min,omitempty"`
	Custom *custom `json:"custom,omitempty"`
}

type custom struct {
	FillOpacity int      `json:"fillOpacity"`
	ShowPoints  string   `json:"showPoints"`
	Stacking    stacking `json:"stacking"`
	DrawStyle   string   `json:"drawStyle"`
}

type stacking struct {
	Mode string `json:"mode"`
}

type options struct {
	Legend        *legend  `json:"legend,omitempty"`
	Tooltip       *tooltip `json:"tooltip,omitempty"`
	ReduceOptions *reduce  `json:"reduceOptions,omitempty"`
	ColorMode     string   `json:"colorMode,omitempty"`
}

type legend struct {
	DisplayMode string   `json:"displayMode"`
	Placement   string   `json:"placement"`
	Calcs       []string `json:"calcs"`
}

type tooltip struct {
	Mode string `json:"mode"`
	Sort string `json:"sort"`
}

type reduce struct {
	Calcs []string `json:"calcs"`
}

var (
	prometheus = source{"prometheus", "prometheus"}
	clickhouse = source{"grafana-clickhouse-datasource", "clickhouse"}
)

// query is one line's PromQL and its legend.
type query struct{ expr, legend string }

// graph is a panel over time of PromQL.
func graph(title, unit string, queries ...query) panel {
	p := timeseries(title, unit, prometheus)
	for i, q := range queries {
		p.Targets = append(p.Targets, target{
			RefID: ref(i), Datasource: prometheus, Expr: q.expr, LegendFormat: q.legend, Range: true, Exemplar: true,
		})
	}
	return p
}

// stat is a panel of one figure of PromQL.
func stat(title, unit, expr, legend string) panel {
	p := figure(title, unit, prometheus)
	p.Targets = []target{{RefID: "A", Datasource: prometheus, Expr: expr, LegendFormat: legend, Instant: true}}
	return p
}

// days is a panel of SQL with a bar a day: the first column is the time.
func days(title, unit, sql string) panel {
	p := timeseries(title, unit, clickhouse)
	p.FieldConfig.Defaults.Custom.DrawStyle, p.FieldConfig.Defaults.Custom.FillOpacity = "bars", 60
	p.Targets = []target{selecting(sql, "timeseries", 0)}
	return p
}

// total is a panel of one figure of SQL.
func total(title, unit, sql string) panel {
	p := figure(title, unit, clickhouse)
	p.Targets = []target{selecting(sql, "table", 1)}
	return p
}

// table is a panel of rows of SQL.
func table(title, sql string) panel {
	return panel{Type: "table", Title: title, Datasource: clickhouse, Targets: []target{selecting(sql, "table", 1)}, FieldConfig: fieldConfig{Overrides: []struct{}{}}}
}

func selecting(sql, kind string, format int) target {
	return target{RefID: "A", Datasource: clickhouse, EditorType: "sql", QueryType: kind, RawSQL: sql, Format: &format}
}

func timeseries(title, unit string, s source) panel {
	zero := 0
	return panel{
		Type: "timeseries", Title: title, Datasource: s,
		FieldConfig: fieldConfig{
			Defaults:  defaults{Unit: unit, Min: &zero, Custom: &custom{FillOpacity: 10, ShowPoints: "never", DrawStyle: "line", Stacking: stacking{"none"}}},
			Overrides: []struct{}{},
		},
		Options: options{Legend: &legend{"list", "bottom", []string{}}, Tooltip: &tooltip{"multi", "desc"}},
	}
}

func figure(title, unit string, s source) panel {
	return panel{
		Type: "stat", Title: title, Datasource: s,
		FieldConfig: fieldConfig{Defaults: defaults{Unit: unit}, Overrides: []struct{}{}},
		Options:     options{ReduceOptions: &reduce{[]string{"lastNotNull"}}, ColorMode: "value"},
	}
}

func ref(i int) string { return fmt.Sprintf("%c", 'A'+i) }

// because gives a panel the words behind its (i).
func (p panel) because(text string) panel { p.Description = text; return p }

// page lays panels out: figures four to a row, the others two.
func page(uid, title, from string, panels ...panel) dashboard {
	d := dashboard{
		UID: "cinema-" + uid, Title: title, Tags: []string{"cinema"}, Timezone: "browser", SchemaVersion: 41, Refresh: "30s",
		Time: timeRange{from, "now"}, Templating: templating{[]variable{}}, Annotations: annotations{[]struct{}{}}, GraphTooltip: 1,
		Links: []link{{Title: "NetflixAtHome", Type: "dashboards", Tags: []string{"cinema"}, AsDropdown: true, KeepTime: true}},
	}
	x, y, row := 0, 0, 0
	for i, p := range panels {
		w, h := 12, 8
		if p.Type == "stat" {
			w, h = 6, 4
		}
		if x+w > 24 || x > 0 && h != row {
			x, y = 0, y+row
		}
		p.ID, p.GridPos, row = i+1, gridPos{H: h, W: w, X: x, Y: y}, h
		x += w
		d.Panels = append(d.Panels, p)
	}
	return d
}

// choosing adds a variable with a closed list of values, the first chosen.
func (d dashboard) choosing(name, label string, values ...option) dashboard {
	v := variable{Name: name, Label: label, Type: "custom", Options: values}
	for i, o := range values {
		if i > 0 {
			v.Query += ","
		}
		v.Query += o.Text + " : " + o.Value
	}
	v.Options[0].Selected = true
	v.Current = v.Options[0]
	d.Templating.List = append(d.Templating.List, v)
	return d
}
