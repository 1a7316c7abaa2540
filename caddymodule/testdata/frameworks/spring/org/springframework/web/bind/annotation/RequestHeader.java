// As much of Spring as the snippet of docs/backend-frameworks.md uses.
package org.springframework.web.bind.annotation;

import java.lang.annotation.*;

@Target(ElementType.PARAMETER)
@Retention(RetentionPolicy.RUNTIME)
public @interface RequestHeader {
    String value() default "";

    String defaultValue() default "";
}
