package adminapi

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
)

// Client asks the server of a running Caddy; make one with NewClient. Its parts are those of Server, by what they are about.
type Client struct {
	*Endpoint
	eventClient
	runClient
	orderClient
	listClient
	figureClient
	haltClient
	checkClient
	seenClient
	shipClient
	healthClient
	sweepClient
	ledgerClient
}

// NewClient returns a client of an admin endpoint.
func NewClient(e Endpoint) *Client {
	return &Client{
		Endpoint: &e, eventClient: eventClient{&e}, runClient: runClient{&e}, orderClient: orderClient{&e}, listClient: listClient{&e}, figureClient: figureClient{&e},
		haltClient: haltClient{&e}, checkClient: checkClient{&e}, seenClient: seenClient{&e}, shipClient: shipClient{&e}, healthClient: healthClient{&e}, sweepClient: sweepClient{&e}, ledgerClient: ledgerClient{&e},
	}
}

// Endpoint is where a client asks, and for whom.
type Endpoint struct {
	// HTTP reaches the admin endpoint, whatever its address in a URL is.
	HTTP *http.Client
	// URL is the endpoint without a path, like http://localhost:2019.
	URL string
	// Said is who asks, by their own word; it stands in the audit log beside what they pause.
	Said string
	// Origin is what Caddy compares with its own addresses; over a Unix socket it wants none.
	Origin string
}

// answerMost is the longest answer that is read: a page of the longest events.
const answerMost = 64 << 20

// call makes a request of a route, by its path with parameters in braces, and reads its answer.
func (e *Endpoint) call(ctx context.Context, method, path string, in, body, into any) error {
	answer, err := e.send(ctx, method, path, in, body)
	if err != nil {
		return err
	}
	defer answer.Close()
	if err := json.NewDecoder(io.LimitReader(answer, answerMost)).Decode(into); err != nil {
		return fmt.Errorf("reading the answer of the admin API: %w", err)
	}
	return nil
}

// send makes a request and returns its answer, unless that is an error.
func (e *Endpoint) send(ctx context.Context, method, path string, in, body any) (io.ReadCloser, error) {
	var payload io.Reader
	if body != nil {
		raw, err := json.Marshal(body)
		if err != nil {
			return nil, err
		}
		payload = bytes.NewReader(raw)
	}
	req, err := http.NewRequestWithContext(ctx, method, e.URL+address(path, in), payload)
	if err != nil {
		return nil, err
	}
	if e.Origin != "" {
		req.Header.Set("Origin", e.Origin)
	}
	if body != nil {
		req.Header.Set("Content-Type", "application/json")
	}
	resp, err := e.HTTP.Do(req)
	if err != nil {
		return nil, err
	}
	if resp.StatusCode == http.StatusOK {
		return resp.Body, nil
	}
	defer resp.Body.Close()
	failed := &Error{Status: resp.StatusCode}
	raw, err := io.ReadAll(io.LimitReader(resp.Body, answerMost))
	if err != nil {
		return nil, fmt.Errorf("reading the answer of the admin API: %w", err)
	}
	if json.Unmarshal(raw, failed) != nil || failed.Message == "" {
		failed.Message = fmt.Sprintf("%.500s", raw)
	}
	return nil, fmt.Errorf("HTTP %d: %w", failed.Status, failed)
}

func get[T any](ctx context.Context, e *Endpoint, path string, in any) (*T, error) {
	answer := new(T)
	return answer, e.call(ctx, http.MethodGet, path, in, nil, answer)
}

func post[T any](ctx context.Context, e *Endpoint, path string, in, body any) (*T, error) {
	answer := new(T)
	return answer, e.call(ctx, http.MethodPost, path, in, body, answer)
}
