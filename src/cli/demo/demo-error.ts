/** The demo cannot go on, or something was met that cannot be: not a wrong balance, which is a finding. */
export class DemoError extends Error {
  override readonly name = "DemoError";
}
