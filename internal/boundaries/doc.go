// Package boundaries tests which room of the house may import which. Each ban
// stands with its reason; ARCHITECTURE.md draws the same picture.
package boundaries
