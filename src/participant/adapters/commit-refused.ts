/**
 * COMMIT was answered with ROLLBACK: an earlier statement had failed, and its error was not let through. Certain, unlike
 * other failures of COMMIT; the code is PostgreSQL's for an aborted transaction.
 */
export class CommitRefusedError extends Error {
  readonly code = "25P02";

  constructor(options?: { readonly cause?: unknown }) {
    super("Expected COMMIT to commit, found that PostgreSQL rolled the transaction back for an earlier error", options);
  }
}
