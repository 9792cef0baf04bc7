import { describe, expect, it } from "vitest";
import { findPrivateService, findService, type ServiceKind } from "./service.ts";

const variable = "MAKEGOOD_TEST_EXAMPLE_URL";

describe("where a test service comes from", () => {
  it("an address in the environment wins over installed binaries", () => {
    expect(findService(service(["installed"]), { [variable]: "example://" }, refuse)).toEqual({
      kind: "address",
      url: "example://",
    });
  });

  it("a test that restarts its server never gets that address", () => {
    expect(findPrivateService(service(["installed"]), { [variable]: "example://" }, refuse).kind).toBe("binaries");
  });

  it("installed binaries are used without installing", () => {
    expect(findService(service(["installed"]), { CI: "true" }, refuse).kind).toBe("binaries");
  });

  it("without permission nothing is installed, and the reason says what to do", () => {
    const source = findService(service([undefined]), {}, refuse);
    expect(source).toEqual({ kind: "missing", reason: expect.stringContaining(variable) });
  });

  it.each([{ CI: "true" }, { MAKEGOOD_INSTALL: "1" }])("is installed first with %o", (env) => {
    expect(findService(service([undefined, "installed"]), env, () => undefined).kind).toBe("binaries");
  });

  it("missing under CI is a failure, never a skip", () => {
    expect(() => findService(service([undefined, undefined]), { CI: "1" }, () => undefined)).toThrow(
      "required under CI",
    );
  });
});

/** Finds the first of `finds`, next time the second. */
function service(finds: (string | undefined)[]): ServiceKind<string> {
  const left = [...finds];
  return {
    title: "Example",
    addressVariable: variable,
    debianPackages: [],
    filesBeforeInstall: [],
    findBinaries: () => left.shift(),
  };
}

function refuse(): void {
  throw new Error("Nothing may be installed here.");
}
