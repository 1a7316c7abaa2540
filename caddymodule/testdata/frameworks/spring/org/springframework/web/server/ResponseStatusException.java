// As much of Spring as the snippet of docs/backend-frameworks.md uses.
package org.springframework.web.server;

import org.springframework.http.HttpStatus;

public class ResponseStatusException extends RuntimeException {
    public ResponseStatusException(HttpStatus status) {
        super(status.toString());
    }
}
