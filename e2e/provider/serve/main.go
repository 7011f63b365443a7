// Command serve is the provider of package provider for the stories in a browser:
// serve PORT RETURN-URL, until its input ends.
package main

import (
	"errors"
	"io"
	"log"
	"net/http"
	"os"
	"time"

	"github.com/netflixathome/cinema/e2e/provider"
)

func main() {
	if len(os.Args) != 3 {
		log.Fatal("want a port and the address to return to")
	}
	address := "127.0.0.1:" + os.Args[1]
	server := &http.Server{Addr: address, Handler: provider.New("http://"+address, os.Args[2]), ReadHeaderTimeout: 10 * time.Second}
	go func() {
		_, _ = io.Copy(io.Discard, os.Stdin)
		_ = server.Close()
	}()
	if err := server.ListenAndServe(); err != nil && !errors.Is(err, http.ErrServerClosed) {
		log.Fatal(err)
	}
}
