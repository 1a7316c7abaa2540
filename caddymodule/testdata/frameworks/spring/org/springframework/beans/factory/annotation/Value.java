// As much of Spring as the snippet of docs/backend-frameworks.md uses.
package org.springframework.beans.factory.annotation;

import java.lang.annotation.*;

@Target(ElementType.PARAMETER)
@Retention(RetentionPolicy.RUNTIME)
public @interface Value {
    String value();
}
