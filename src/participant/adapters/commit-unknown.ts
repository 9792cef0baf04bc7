/** COMMIT was sent together with the last statement, and the connection was lost before the server answered to either. */
export class CommitUnknownError extends Error {
  constructor(cause: unknown) {
    super("Expected an answer to COMMIT, found the connection lost; it may have been committed", { cause });
  }
}
