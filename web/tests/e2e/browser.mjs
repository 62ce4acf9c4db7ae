// Starts the system's Chromium and signs in. Everything that the page complains about is collected.

import { chromium } from "playwright-core";

const ARGS = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking", "--disable-component-update", "--disable-sync", "--disable-dev-shm-usage"];
const NO_SESSION = /^Failed to load resource: the server responded with a status of 401/; // getSession of a new browser, by contract

export async function launch() {
  return chromium.launch({ executablePath: process.env.CHROMIUM ?? "/usr/bin/chromium", args: ARGS });
}

/** A page whose complaints land in `complaints`: console errors, exceptions, violations of the content security policy, requests elsewhere. */
export async function openPage(browser, { url, width = 1440, height = 900, theme = "light" }) {
  const context = await browser.newContext({ viewport: { width, height }, colorScheme: theme, ignoreHTTPSErrors: true });
  const complaints = [];
  await context.addInitScript(() => {
    document.addEventListener("securitypolicyviolation", (e) => console.error(`CSP: ${e.violatedDirective} blocked ${e.blockedURI || "inline"} at ${e.sourceFile}:${e.lineNumber}`));
  });
  const page = await context.newPage();
  let signedIn = false;
  page.on("console", (m) => {
    if (m.type() === "error" && !(NO_SESSION.test(m.text()) && !signedIn)) complaints.push(`console: ${m.text()}`);
  });
  page.on("pageerror", (e) => complaints.push(`exception: ${e.message}`));
  page.on("dialog", (d) => (complaints.push(`dialog: ${d.message()}`), d.dismiss()));
  page.on("request", (r) => {
    if (!r.url().startsWith(url) && !r.url().startsWith("data:")) complaints.push(`request elsewhere: ${r.url()}`);
  });
  return { context, page, complaints, signedIn: () => (signedIn = true) };
}

export async function signIn({ page, signedIn }, { url, user, password, path = "/" }) {
  await page.goto(url + path);
  await page.getByTestId("login").waitFor();
  await page.getByLabel("Name").fill(user);
  await page.getByLabel("Password").fill(password);
  await page.getByRole("button", { name: "Sign in" }).click();
  await page.locator("#main").waitFor();
  signedIn();
}
