export declare function inlineDocuments(babel: unknown): object;
