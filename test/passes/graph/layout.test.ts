import { describe, test } from "vitest";
import { assignLayouts } from "../../../passes/graph/layout.js";
import { randomTensor } from "../../harness-random.js";
import { expectPass, expectUnchanged } from "./text.js";

const resources = new Map([
  ["w", randomTensor(1, [8, 8, 3, 3])],
  ["v", randomTensor(2, [8, 3, 3, 3])],
  ["p", randomTensor(3, [8, 8, 1, 1])],
]);

describe("convolutions", () => {
  test("get channels side by side by one copy, and results go back by one", () =>
    expectPass(
      assignLayouts,
      `
      graph @g(%x: f32[1, 8, 5, 5]) -> (%y: f32[1, 8, 1, 3]) {
        %w: f32[8, 8, 3, 3] = constant resource "w"
        %a: f32[1, 8, 3, 3] = Conv(%x, %w)
        %r: f32[1, 8, 3, 3] = Relu(%a)
        %y: f32[1, 8, 1, 3] = MaxPool(%r) {kernel_shape=[3, 1]}
        return %y
      }`,
      `
      graph @g(%x: f32[1, 8, 5, 5]) -> (%y: f32[1, 8, 1, 3]) {
        %x.channelslast: f32[1, 8, 5, 5]{0,2,3,1} = kiln.Relayout(%x) {layout=[0, 2, 3, 1]}
        %w: f32[8, 8, 3, 3] = constant resource "w"
        %a: f32[1, 8, 3, 3]{0,2,3,1} = Conv(%x.channelslast, %w)
        %r: f32[1, 8, 3, 3]{0,2,3,1} = Relu(%a)
        %y.channelslast: f32[1, 8, 1, 3]{0,2,3,1} = MaxPool(%r) {kernel_shape=[3, 1]}
        %y: f32[1, 8, 1, 3] = kiln.Relayout(%y.channelslast) {layout=[0, 1, 2, 3]}
        return %y
      }`,
      { resources },
    ));

  test("share the copy of what several of them read", () =>
    expectPass(
      assignLayouts,
      `
      graph @g(%x: f32[1, 8, 5, 5]) -> (%m: f32[1, 8, 1, 1]) {
        %w: f32[8, 8, 3, 3] = constant resource "w"
        %a: f32[1, 8, 3, 3] = Conv(%x, %w)
        %b: f32[1, 8, 3, 3] = Conv(%x, %w) {strides=[1, 1]}
        %s: f32[1, 8, 3, 3] = Add(%a, %b)
        %axes: i64[2] = constant dense [2, 3]
        %m: f32[1, 8, 1, 1] = ReduceMean(%s, %axes)
        return %m
      }`,
      `
      graph @g(%x: f32[1, 8, 5, 5]) -> (%m: f32[1, 8, 1, 1]) {
        %x.channelslast: f32[1, 8, 5, 5]{0,2,3,1} = kiln.Relayout(%x) {layout=[0, 2, 3, 1]}
        %w: f32[8, 8, 3, 3] = constant resource "w"
        %a: f32[1, 8, 3, 3]{0,2,3,1} = Conv(%x.channelslast, %w)
        %b: f32[1, 8, 3, 3]{0,2,3,1} = Conv(%x.channelslast, %w) {strides=[1, 1]}
        %s: f32[1, 8, 3, 3]{0,2,3,1} = Add(%a, %b)
        %axes: i64[2] = constant dense [2, 3]
        %m: f32[1, 8, 1, 1] = ReduceMean(%s, %axes)
        return %m
      }`,
      { resources },
    ));

  test("of few channels read pictures as they come", () =>
    expectPass(
      assignLayouts,
      `
      graph @g(%x: f32[1, 3, 5, 5]) -> (%m: f32[1, 8, 1, 1]) {
        %v: f32[8, 3, 3, 3] = constant resource "v"
        %a: f32[1, 8, 3, 3] = Conv(%x, %v)
        %m: f32[1, 8, 1, 1] = MaxPool(%a) {kernel_shape=[3, 3]}
        return %m
      }`,
      `
      graph @g(%x: f32[1, 3, 5, 5]) -> (%m: f32[1, 8, 1, 1]{0,2,3,1}) {
        %v: f32[8, 3, 3, 3] = constant resource "v"
        %a: f32[1, 8, 3, 3]{0,2,3,1} = Conv(%x, %v)
        %m: f32[1, 8, 1, 1]{0,2,3,1} = MaxPool(%a) {kernel_shape=[3, 3]}
        return %m
      }`,
      { resources },
    ));

  test("in a chain need no copies between, nor does the transposition to channels-last", () =>
    expectPass(
      assignLayouts,
      `
      graph @g(%x: f32[1, 3, 5, 5]) -> (%u: f32[1, 3, 3, 8]) {
        %v: f32[8, 3, 3, 3] = constant resource "v"
        %a: f32[1, 8, 3, 3] = Conv(%x, %v)
        %t: f32[1, 3, 3, 8] = Transpose(%a) {perm=[0, 2, 3, 1]}
        %u: f32[1, 3, 3, 8] = Relu(%t)
        return %u
      }`,
      `
      graph @g(%x: f32[1, 3, 5, 5]) -> (%u: f32[1, 3, 3, 8]) {
        %v: f32[8, 3, 3, 3] = constant resource "v"
        %a: f32[1, 8, 3, 3]{0,2,3,1} = Conv(%x, %v)
        %t: f32[1, 3, 3, 8] = Transpose(%a) {perm=[0, 2, 3, 1]}
        %u: f32[1, 3, 3, 8] = Relu(%t)
        return %u
      }`,
      { resources },
    ));

  test("read a shuffle of channels in the order in which it copies them", () =>
    expectPass(
      assignLayouts,
      `
      graph @g(%x: f32[1, 3, 5, 5]) -> (%m: f32[1, 8, 1, 1]) {
        %v: f32[8, 3, 3, 3] = constant resource "v"
        %p: f32[8, 8, 1, 1] = constant resource "p"
        %split: i64[5] = constant dense [1, 2, 4, 3, 3]
        %joined: i64[4] = constant dense [1, 8, 3, 3]
        %a: f32[1, 8, 3, 3] = Conv(%x, %v)
        %s: f32[1, 2, 4, 3, 3] = Reshape(%a, %split)
        %t: f32[1, 4, 2, 3, 3] = Transpose(%s) {perm=[0, 2, 1, 3, 4]}
        %j: f32[1, 8, 3, 3] = Reshape(%t, %joined)
        %b: f32[1, 8, 3, 3] = Conv(%j, %p)
        %m: f32[1, 8, 1, 1] = MaxPool(%b) {kernel_shape=[3, 3]}
        return %m
      }`,
      `
      graph @g(%x: f32[1, 3, 5, 5]) -> (%m: f32[1, 8, 1, 1]{0,2,3,1}) {
        %v: f32[8, 3, 3, 3] = constant resource "v"
        %a: f32[1, 8, 3, 3]{0,2,3,1} = Conv(%x, %v)
        %split: i64[5] = constant dense [1, 2, 4, 3, 3]
        %s: f32[1, 2, 4, 3, 3]{3,4,0,1,2} = Reshape(%a, %split)
        %t: f32[1, 4, 2, 3, 3]{3,4,2,0,1} = Transpose(%s) {perm=[0, 2, 1, 3, 4]}
        %joined: i64[4] = constant dense [1, 8, 3, 3]
        %j: f32[1, 8, 3, 3]{0,2,3,1} = Reshape(%t, %joined)
        %p: f32[8, 8, 1, 1] = constant resource "p"
        %b: f32[1, 8, 3, 3]{0,2,3,1} = Conv(%j, %p)
        %m: f32[1, 8, 1, 1]{0,2,3,1} = MaxPool(%b) {kernel_shape=[3, 3]}
        return %m
      }`,
      { resources },
    ));
});

describe("graphs that stay as they are", () => {
  test("matrix products and what stands around them", () =>
    expectUnchanged(
      assignLayouts,
      `
      graph @g(%a: f32[2, 3, 4], %b: f32[2, 4, 5]) -> (%y: f32[2, 3, 5]) {
        %c: f32[2, 3, 5] = MatMul(%a, %b)
        %y: f32[2, 3, 5] = Relu(%c)
        return %y
      }`,
    ));

  test("pools of what has one place or one channel", () =>
    expectPass(
      assignLayouts,
      `
      graph @g(%x: f32[2, 1, 4, 4]) -> (%y: f32[2, 1, 3, 3]) {
        %y: f32[2, 1, 3, 3] = MaxPool(%x) {kernel_shape=[2, 2]}
        return %y
      }`,
      `
      graph @g(%x: f32[2, 1, 4, 4]) -> (%y: f32[2, 1, 3, 3]{0,2,3,1}) {
        %y: f32[2, 1, 3, 3]{0,2,3,1} = MaxPool(%x) {kernel_shape=[2, 2]}
        return %y
      }`,
    ));

  test("what is broadcast along dims between others", () =>
    expectUnchanged(
      assignLayouts,
      `
      graph @g(%x: f32[1, 1, 1, 8]) -> (%y: f32[1, 1, 4, 8]) {
        %s: i64[4] = constant dense [1, 1, 4, 8]
        %e: f32[1, 1, 4, 8] = Expand(%x, %s)
        %y: f32[1, 1, 4, 8] = Relu(%e)
        return %y
      }`,
    ));
});

describe("matrix products", () => {
  test("a right operand of many rows is copied for its columns to lie side by side, one of few is not", () =>
    expectPass(
      assignLayouts,
      `
      graph @g(%q: f32[4, 8], %r: f32[64, 8], %k: f32[100, 8]) -> (%a: f32[4, 100], %b: f32[64, 100]) {
        %t: f32[8, 100] = Transpose(%k) {perm=[1, 0]}
        %a: f32[4, 100] = MatMul(%q, %t)
        %b: f32[64, 100] = MatMul(%r, %t)
        return %a, %b
      }`,
      `
      graph @g(%q: f32[4, 8], %r: f32[64, 8], %k: f32[100, 8]) -> (%a: f32[4, 100], %b: f32[64, 100]) {
        %t: f32[8, 100]{1,0} = Transpose(%k) {perm=[1, 0]}
        %a: f32[4, 100] = MatMul(%q, %t)
        %t.rowmajor: f32[8, 100] = kiln.Relayout(%t) {layout=[0, 1]}
        %b: f32[64, 100] = MatMul(%r, %t.rowmajor)
        return %a, %b
      }`,
    ));
});
