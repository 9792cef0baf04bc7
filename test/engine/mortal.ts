// Death inside one process: part of the package, since users test their jobs with it too.
export { mortal } from "../../src/testing.ts";
