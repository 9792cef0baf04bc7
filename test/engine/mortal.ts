// Death inside one process: part of the package, since users test their jobs with it too.
export { type Mortal, mortal } from "../../src/testing.ts";
