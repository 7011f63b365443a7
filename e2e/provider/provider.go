// Package provider is a real provider of OpenID Connect for the stories of those
// who sign in with others: zitadel's, with its example storage.
package provider

import (
	"net/http"

	"github.com/zitadel/oidc/v3/example/server/exampleop"
	"github.com/zitadel/oidc/v3/example/server/storage"
	"github.com/zitadel/oidc/v3/pkg/op"
)

// What the cinema is there, and the password of all its users.
const (
	ClientID = "cinema"
	Secret   = "provider-secret"
	Password = "verysecure"
)

// people are its users, by their name there.
type people map[string]*storage.User

func (p people) GetUserByUsername(name string) *storage.User { return p[name] }
func (p people) ExampleClientID() string                     { return "service" }
func (p people) GetUserByID(id string) *storage.User {
	for _, u := range p {
		if u.ID == id {
			return u
		}
	}
	return nil
}

// New is a provider at the issuer's address, with the users ann and bob at
// example.org, that sends them back to an address of the cinema.
func New(issuer, returnURL string) http.Handler {
	users := people{
		"ann": {ID: "1", Username: "ann", Password: Password, FirstName: "Ann", LastName: "Smith", Email: "ann@example.org", EmailVerified: true},
		"bob": {ID: "2", Username: "bob", Password: Password, FirstName: "Bob", LastName: "Jones", Email: "bob@example.org", EmailVerified: true},
	}
	clients := map[string]*storage.Client{ClientID: storage.WebClient(ClientID, Secret, returnURL)}
	return exampleop.SetupServer(issuer, storage.NewStorageWithClients(users, clients), nil, false, op.WithAllowInsecure())
}
