/** texts are the messages in a language: Chinese, unless it is another. */
export declare function texts(lang: string): (key: string) => string;
