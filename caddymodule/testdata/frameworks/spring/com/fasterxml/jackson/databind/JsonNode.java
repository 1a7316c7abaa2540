// As much of Spring as the snippet of docs/backend-frameworks.md uses.
package com.fasterxml.jackson.databind;

public abstract class JsonNode {
    public abstract JsonNode at(String pointer);

    public abstract JsonNode path(String name);

    public abstract String asText();

    public abstract long asLong();
}
