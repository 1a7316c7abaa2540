// As much of Spring as the snippet of docs/backend-frameworks.md uses.
package org.springframework.transaction.annotation;

import java.lang.annotation.*;

@Target(ElementType.METHOD)
@Retention(RetentionPolicy.RUNTIME)
public @interface Transactional {}
