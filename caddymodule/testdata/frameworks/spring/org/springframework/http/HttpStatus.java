// As much of Spring as the snippet of docs/backend-frameworks.md uses.
package org.springframework.http;

public enum HttpStatus {FORBIDDEN, NOT_FOUND, CONFLICT}
