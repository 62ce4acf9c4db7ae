import { Component, type ReactNode } from "react";
import { Blank } from "./panel";

/** Keeps the bar and the way out when a page cannot be drawn. `at` is what is shown: another address gets another try. */
export class ErrorBoundary extends Component<{ at: string; children: ReactNode }, { error: Error | null; at: string }> {
  override state = { error: null as Error | null, at: this.props.at };

  static getDerivedStateFromError(error: unknown) {
    return { error: error instanceof Error ? error : new Error(String(error)) };
  }

  static getDerivedStateFromProps(props: { at: string }, state: { at: string }) {
    return props.at === state.at ? null : { error: null, at: props.at };
  }

  override render() {
    if (!this.state.error) return this.props.children;
    return (
      <section className="panel" role="alert">
        <Blank title="This page cannot be drawn" text={`${this.state.error.message}. That is a fault of pgAnalytics, or its server and this page are of different versions.`}>
          <button onClick={() => location.reload()}>Load again</button>
        </Blank>
      </section>
    );
  }
}
