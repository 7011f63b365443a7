package router

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"

	"github.com/vektah/gqlparser/v2"
	gqlast "github.com/vektah/gqlparser/v2/ast"
	"github.com/vektah/gqlparser/v2/parser"
	"github.com/wundergraph/graphql-go-tools/v2/pkg/ast"
	"github.com/wundergraph/graphql-go-tools/v2/pkg/astparser"
	"github.com/wundergraph/graphql-go-tools/v2/pkg/asttransform"
	"github.com/wundergraph/graphql-go-tools/v2/pkg/engine/datasource/graphql_datasource"
	"github.com/wundergraph/graphql-go-tools/v2/pkg/engine/datasource/introspection_datasource"
	"github.com/wundergraph/graphql-go-tools/v2/pkg/engine/plan"
)

// The part of the composed configuration that the router reads. The file is
// what @wundergraph/cosmo-shared's toJsonString writes.
type supergraphFile struct {
	EngineConfig struct {
		DatasourceConfigurations []datasourceFile  `json:"datasourceConfigurations"`
		FieldConfigurations      []fieldFile       `json:"fieldConfigurations"`
		GraphqlSchema            string            `json:"graphqlSchema"`
		GraphqlClientSchema      string            `json:"graphqlClientSchema"`
		StringStorage            map[string]string `json:"stringStorage"`
	} `json:"engineConfig"`
	Subgraphs []struct {
		ID   string `json:"id"`
		Name string `json:"name"`
	} `json:"subgraphs"`
}

type typeFieldsFile struct {
	TypeName           string   `json:"typeName"`
	FieldNames         []string `json:"fieldNames"`
	ExternalFieldNames []string `json:"externalFieldNames"`
}

type requiredFieldFile struct {
	TypeName              string `json:"typeName"`
	FieldName             string `json:"fieldName"`
	SelectionSet          string `json:"selectionSet"`
	DisableEntityResolver bool   `json:"disableEntityResolver"`
	Conditions            []struct {
		FieldCoordinatesPath []struct {
			TypeName  string `json:"typeName"`
			FieldName string `json:"fieldName"`
		} `json:"fieldCoordinatesPath"`
		FieldPath []string `json:"fieldPath"`
	} `json:"conditions"`
}

type interfaceFile struct {
	InterfaceTypeName string   `json:"interfaceTypeName"`
	ConcreteTypeNames []string `json:"concreteTypeNames"`
}

type datasourceFile struct {
	ID               string              `json:"id"`
	RootNodes        []typeFieldsFile    `json:"rootNodes"`
	ChildNodes       []typeFieldsFile    `json:"childNodes"`
	Keys             []requiredFieldFile `json:"keys"`
	Provides         []requiredFieldFile `json:"provides"`
	Requires         []requiredFieldFile `json:"requires"`
	EntityInterfaces []interfaceFile     `json:"entityInterfaces"`
	InterfaceObjects []interfaceFile     `json:"interfaceObjects"`
	CustomGraphql    struct {
		Fetch struct {
			URL struct {
				StaticVariableContent string `json:"staticVariableContent"`
			} `json:"url"`
		} `json:"fetch"`
		Federation struct {
			Enabled    bool   `json:"enabled"`
			ServiceSdl string `json:"serviceSdl"`
		} `json:"federation"`
		UpstreamSchema struct {
			Key string `json:"key"`
		} `json:"upstreamSchema"`
	} `json:"customGraphql"`
}

type fieldFile struct {
	TypeName               string `json:"typeName"`
	FieldName              string `json:"fieldName"`
	ArgumentsConfiguration []struct {
		Name       string `json:"name"`
		SourceType string `json:"sourceType"`
	} `json:"argumentsConfiguration"`
	AuthorizationConfiguration *struct {
		RequiresAuthentication bool `json:"requiresAuthentication"`
		RequiredOrScopes       []struct {
			RequiredAndScopes []string `json:"requiredAndScopes"`
		} `json:"requiredOrScopes"`
	} `json:"authorizationConfiguration"`
}

// coordinate names a field of a type.
type coordinate struct{ typeName, field string }

// rule is who may read a field.
type rule struct {
	// anyOf holds alternatives; all scopes of one of them are needed. Empty
	// means that being signed in is enough.
	anyOf [][]string
	// closed lets nobody in: a root field whose schema names no rule.
	closed bool
}

// supergraph is the composed configuration in the shape the engine wants it.
type supergraph struct {
	// client is the public schema: what a document is validated against.
	client *gqlast.Schema
	// definition is the engine's copy of the whole schema.
	definition *ast.Document
	plan       plan.Configuration
	rules      map[coordinate]rule
	// subgraphs are the addresses by name.
	subgraphs map[string]string
	rootNames map[gqlast.Operation]string
}

func loadSupergraph(ctx context.Context, o *Options, client *http.Client, streams graphql_datasource.GraphQLSubscriptionClient) (*supergraph, error) {
	var file supergraphFile
	if err := json.Unmarshal(o.Supergraph, &file); err != nil {
		return nil, fmt.Errorf("router: the composed configuration is not readable: %w", err)
	}
	cfg := file.EngineConfig
	if len(cfg.DatasourceConfigurations) == 0 || cfg.GraphqlSchema == "" || cfg.GraphqlClientSchema == "" {
		return nil, errors.New("router: the composed configuration holds no subgraph or no schema")
	}
	schema, err := gqlparser.LoadSchema(&gqlast.Source{Name: "api", Input: cfg.GraphqlClientSchema})
	if err != nil {
		return nil, fmt.Errorf("router: public schema: %w", err)
	}
	definition, report := astparser.ParseGraphqlDocumentString(cfg.GraphqlSchema)
	if report.HasErrors() {
		return nil, fmt.Errorf("router: composed schema: %w", report)
	}
	if err := asttransform.MergeDefinitionWithBaseSchema(&definition); err != nil {
		return nil, fmt.Errorf("router: composed schema: %w", err)
	}
	s := &supergraph{
		client:     schema,
		definition: &definition,
		rules:      map[coordinate]rule{},
		subgraphs:  map[string]string{},
		rootNames:  map[gqlast.Operation]string{},
	}
	for op, def := range map[gqlast.Operation]*gqlast.Definition{
		gqlast.Query: schema.Query, gqlast.Mutation: schema.Mutation, gqlast.Subscription: schema.Subscription,
	} {
		if def != nil {
			s.rootNames[op] = def.Name
		}
	}

	s.plan = plan.Configuration{DefaultFlushIntervalMillis: 500}
	factory, err := graphql_datasource.NewFactory(ctx, client, streams)
	if err != nil {
		return nil, fmt.Errorf("router: %w", err)
	}
	names := map[string]string{}
	for _, g := range file.Subgraphs {
		names[g.ID] = g.Name
	}
	public := map[coordinate]bool{}
	for _, ds := range cfg.DatasourceConfigurations {
		name := names[ds.ID]
		if name == "" {
			name = ds.ID
		}
		address := o.SubgraphURLs[name]
		if address == "" {
			address = ds.CustomGraphql.Fetch.URL.StaticVariableContent
		}
		s.subgraphs[name] = address
		source, err := newDatasource(name, ds, cfg.StringStorage, address, factory)
		if err != nil {
			return nil, fmt.Errorf("router: subgraph %s: %w", name, err)
		}
		s.plan.DataSources = append(s.plan.DataSources, source)
		if err := readPublic(ds.CustomGraphql.Federation.ServiceSdl, public); err != nil {
			return nil, fmt.Errorf("router: subgraph %s: %w", name, err)
		}
	}
	s.readFields(cfg.FieldConfigurations)
	s.closeTheRest(public)
	if err := s.addIntrospection(cfg.GraphqlClientSchema); err != nil {
		return nil, err
	}
	return s, nil
}

func newDatasource(name string, ds datasourceFile, storage map[string]string, url string, factory *graphql_datasource.Factory[graphql_datasource.Configuration]) (plan.DataSource, error) {
	custom := ds.CustomGraphql
	schema, err := graphql_datasource.NewSchemaConfiguration(storage[custom.UpstreamSchema.Key],
		&graphql_datasource.FederationConfiguration{Enabled: custom.Federation.Enabled, ServiceSDL: custom.Federation.ServiceSdl})
	if err != nil {
		return nil, err
	}
	conf, err := graphql_datasource.NewConfiguration(graphql_datasource.ConfigurationInput{
		Fetch:               &graphql_datasource.FetchConfiguration{URL: url, Method: http.MethodPost},
		Subscription:        &graphql_datasource.SubscriptionConfiguration{URL: url, UseSSE: true, SSEMethodPost: true},
		SchemaConfiguration: schema,
	})
	if err != nil {
		return nil, err
	}
	meta := &plan.DataSourceMetadata{
		RootNodes:  typeFields(ds.RootNodes),
		ChildNodes: typeFields(ds.ChildNodes),
		Directives: plan.NewDirectiveConfigurations(nil),
		FederationMetaData: plan.FederationMetaData{
			Keys:             requiredFields(ds.Keys),
			Provides:         requiredFields(ds.Provides),
			Requires:         requiredFields(ds.Requires),
			EntityInterfaces: interfaces(ds.EntityInterfaces),
			InterfaceObjects: interfaces(ds.InterfaceObjects),
		},
	}
	return plan.NewDataSourceConfigurationWithName(ds.ID, name, factory, meta, conf)
}

func typeFields(in []typeFieldsFile) plan.TypeFields {
	out := make(plan.TypeFields, 0, len(in))
	for _, f := range in {
		out = append(out, plan.TypeField{TypeName: f.TypeName, FieldNames: f.FieldNames, ExternalFieldNames: f.ExternalFieldNames})
	}
	return out
}

func requiredFields(in []requiredFieldFile) plan.FederationFieldConfigurations {
	out := make(plan.FederationFieldConfigurations, 0, len(in))
	for _, f := range in {
		c := plan.FederationFieldConfiguration{
			TypeName: f.TypeName, FieldName: f.FieldName, SelectionSet: f.SelectionSet,
			DisableEntityResolver: f.DisableEntityResolver,
		}
		for _, cond := range f.Conditions {
			k := plan.KeyCondition{FieldPath: cond.FieldPath}
			for _, co := range cond.FieldCoordinatesPath {
				k.Coordinates = append(k.Coordinates, plan.FieldCoordinate{TypeName: co.TypeName, FieldName: co.FieldName})
			}
			c.Conditions = append(c.Conditions, k)
		}
		out = append(out, c)
	}
	return out
}

func interfaces(in []interfaceFile) []plan.EntityInterfaceConfiguration {
	var out []plan.EntityInterfaceConfiguration
	for _, i := range in {
		out = append(out, plan.EntityInterfaceConfiguration{InterfaceTypeName: i.InterfaceTypeName, ConcreteTypeNames: i.ConcreteTypeNames})
	}
	return out
}

// readFields takes arguments and rules of fields.
func (s *supergraph) readFields(fields []fieldFile) {
	for _, f := range fields {
		c := plan.FieldConfiguration{TypeName: f.TypeName, FieldName: f.FieldName}
		for _, a := range f.ArgumentsConfiguration {
			source := plan.FieldArgumentSource
			if a.SourceType == "OBJECT_FIELD" {
				source = plan.ObjectFieldSource
			}
			c.Arguments = append(c.Arguments, plan.ArgumentConfiguration{Name: a.Name, SourceType: source})
		}
		if a := f.AuthorizationConfiguration; a != nil && (a.RequiresAuthentication || len(a.RequiredOrScopes) > 0) {
			c.HasAuthorizationRule = true
			var r rule
			for _, or := range a.RequiredOrScopes {
				r.anyOf = append(r.anyOf, or.RequiredAndScopes)
			}
			s.rules[coordinate{f.TypeName, f.FieldName}] = r
		}
		s.plan.Fields = append(s.plan.Fields, c)
	}
}

// closeTheRest closes each root field that names no rule: what is forgotten
// must not be open.
func (s *supergraph) closeTheRest(public map[coordinate]bool) {
	for op, typeName := range s.rootNames {
		for _, f := range s.client.Types[typeName].Fields {
			at := coordinate{typeName, f.Name}
			if _, ruled := s.rules[at]; ruled || strings.HasPrefix(f.Name, "__") || public[coordinate{string(op), f.Name}] {
				continue
			}
			s.rules[at] = rule{closed: true}
			if known := s.plan.Fields.ForTypeField(typeName, f.Name); known != nil {
				known.HasAuthorizationRule = true
			} else {
				s.plan.Fields = append(s.plan.Fields, plan.FieldConfiguration{TypeName: typeName, FieldName: f.Name, HasAuthorizationRule: true})
			}
		}
	}
}

// readPublic collects the root fields that a subgraph's schema marks @public;
// the composition drops directives that it does not know.
func readPublic(sdl string, into map[coordinate]bool) error {
	doc, err := parser.ParseSchema(&gqlast.Source{Name: "subgraph", Input: sdl})
	if err != nil {
		return fmt.Errorf("schema: %w", err)
	}
	roots := map[string]gqlast.Operation{"Query": gqlast.Query, "Mutation": gqlast.Mutation, "Subscription": gqlast.Subscription}
	for _, list := range []gqlast.SchemaDefinitionList{doc.Schema, doc.SchemaExtension} {
		for _, def := range list {
			for _, op := range def.OperationTypes {
				roots[op.Type] = op.Operation
			}
		}
	}
	for _, list := range []gqlast.DefinitionList{doc.Definitions, doc.Extensions} {
		for _, def := range list {
			op, isRoot := roots[def.Name]
			if !isRoot {
				continue
			}
			for _, f := range def.Fields {
				if f.Directives.ForName("public") != nil {
					into[coordinate{string(op), f.Name}] = true
				}
			}
		}
	}
	return nil
}

// addIntrospection lets the router answer __schema and __type from the public
// schema: what clients must not see is not in it.
func (s *supergraph) addIntrospection(clientSchema string) error {
	public, report := astparser.ParseGraphqlDocumentString(clientSchema)
	if report.HasErrors() {
		return fmt.Errorf("router: public schema: %w", report)
	}
	if err := asttransform.MergeDefinitionWithBaseSchema(&public); err != nil {
		return fmt.Errorf("router: public schema: %w", err)
	}
	f, err := introspection_datasource.NewIntrospectionConfigFactory(&public)
	if err != nil {
		return fmt.Errorf("router: introspection: %w", err)
	}
	s.plan.DataSources = append(s.plan.DataSources, f.BuildDataSourceConfigurations()...)
	for _, c := range f.BuildFieldConfigurations() {
		if s.plan.Fields.ForTypeField(c.TypeName, c.FieldName) == nil {
			s.plan.Fields = append(s.plan.Fields, c)
		}
	}
	return nil
}
